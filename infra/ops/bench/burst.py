"""`bench burst`: 2,000 enriched tickets of 20 tenants waiting, one synthesize worker of 64 slots, a model that answers in 1.0 s.

Once with the tenants' caps lifted, once with the default cap. The model server's ledger says how many calls were under way when,
whatever the worker thinks of itself.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from infra.ops.bench.call_spans import CallTimes, busy_share, most_at_once, work_lasted_until
from infra.ops.bench.figures import Bench, cpu_seconds, resident_megabytes
from infra.ops.bench.stage_feed import fed_stack, slow_model, with_model
from infra.ops.bench.synthetic import enriched
from schemas.topics import Stage, Topic

TENANTS = 20
TICKETS = 2000
SLOTS = 64
MODEL_SECONDS = 1.0
CAPS = {"lifted": 50, "default": 5}
SILENCE_SECONDS = 60.0
STAGES = tuple(stage.value for stage in Stage)


async def bench_burst(tell: Callable[[str], None], *, events: int = TICKETS) -> Bench:
    """Raises RuntimeError when a ticket isn't asked about exactly once."""
    bench = Bench("burst", compared={"slots_busy": f"calls under way, by the model server, beside {SLOTS} slots"})
    bench.figures |= {"tickets": events, "tenants": TENANTS, "slots": SLOTS, "model_seconds": MODEL_SECONDS}
    for name, cap in CAPS.items():
        await _burst(tell, bench, name, cap, events)
    return bench


async def _burst(tell: Callable[[str], None], bench: Bench, name: str, cap: int, events: int) -> None:
    tenants = [f"bench-{number:02d}" for number in range(TENANTS)]
    async with slow_model(MODEL_SECONDS) as (server, calls):
        environment = with_model({**os.environ, "TICKETSTREAM_SLOTS": str(SLOTS)}, server)
        async with fed_stack(tell, tenants, later=STAGES, environment=environment) as feed:
            await feed.settings(tenants, {"max_concurrent_jobs": cap, "external_model": "true"})
            await feed.publish(Stage.ENRICH, Topic.TICKETS_ENRICHED, enriched(tenants, events))
            tell(f"cap {cap}: {events} tickets wait, the worker starts")
            await feed.begin(Stage.SYNTHESIZE.value)
            worker = feed.pid(Stage.SYNTHESIZE.value)
            await _until_asked(calls, 1)  # then the model's package is loaded, which takes seconds of CPU
            before = cpu_seconds(worker)
            await _until_asked(calls, events)
            cpu, megabytes = cpu_seconds(worker) - before, resident_megabytes(worker)
    spans = calls.spans
    if len(spans) != events:
        raise RuntimeError(f"{len(spans)} calls for {events} tickets")
    took = max(span.end for span in spans) - min(span.start for span in spans)
    lasted = work_lasted_until(spans, SLOTS, cap)
    bench.ratios[f"{name}_slots_busy"] = round(busy_share(spans, SLOTS), 3)
    bench.ratios[f"{name}_slots_busy_while_work_is_there"] = round(busy_share(spans, SLOTS, lasted), 3)
    bench.figures |= {
        f"{name}_cap": cap,
        f"{name}_tickets_per_second": round(events / took, 1),
        f"{name}_seconds": round(took, 2),
        f"{name}_most_at_once_of_a_tenant": max(most_at_once(spans).values()),
        f"{name}_worker_cpu_ms_per_ticket": round(1000 * cpu / events, 1),
        f"{name}_worker_megabytes": megabytes,
    }


async def _until_asked(calls: CallTimes, events: int) -> None:
    """Until so many calls are over."""
    heard, count = time.monotonic(), -1
    while (done := sum(span.end < float("inf") for span in calls.spans)) < events:
        if done > count:
            heard, count = time.monotonic(), done
        elif time.monotonic() - heard > SILENCE_SECONDS:
            raise RuntimeError(f"after {done} of {events} calls none came for {SILENCE_SECONDS:.0f} s")
        await asyncio.sleep(0.1)
