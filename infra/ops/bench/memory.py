"""`bench memory`: what each worker holds while 100,000 events wait for it, small ones and large ones, beside what it holds idle.

The tenants are disabled, so that all of it waits: a worker reads as far ahead as it ever does, tries what it read and holds it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from infra.ops.bench.figures import Bench, resident_megabytes
from infra.ops.bench.stage_feed import Feed, fed_stack
from infra.ops.bench.synthetic import ENVELOPE_BYTES, enriched, received, submitted, synthesized
from schemas.topics import Stage, Topic

TENANTS = 20
EVENTS = 100_000
SIZES = {"1_4_kb": 1_400, "15_kb": 15_000}
IDLE_SECONDS = 10.0
WATCHED_SECONDS = 30.0
SEEN_SECONDS = 6.0
"""Until every process knows that the tenants are disabled."""


async def bench_memory(tell: Callable[[str], None], *, events: int = EVENTS) -> Bench:
    """Growth is the most that was held from the first event to 30 s after the last, less what was held idle."""
    bench = Bench("memory", compared={"growth_megabytes": "with events waiting, less idle; resident memory"})
    bench.figures["events"] = events
    tenants = [f"bench-{number:02d}" for number in range(TENANTS)]
    for name, size in SIZES.items():
        async with fed_stack(tell, tenants, environment=dict(os.environ)) as feed:
            await feed.enable(False)
            await asyncio.sleep(max(IDLE_SECONDS, SEEN_SECONDS))
            for stage in Stage:
                await _stage(tell, bench, feed, stage, (name, size, events))
    return bench


async def _stage(
    tell: Callable[[str], None], bench: Bench, feed: Feed, stage: Stage, what: tuple[str, int, int]
) -> None:
    name, size, events = what
    idle, most = resident_megabytes(feed.pid(stage.value)), 0
    publishing = asyncio.create_task(
        feed.publish(_before(stage), stage.consumes, _events(stage, list(feed.partitions), events, size))
    )
    until = float("inf")
    while time.monotonic() < until:
        most = max(most, resident_megabytes(feed.pid(stage.value)))
        await asyncio.sleep(0.2)
        if publishing.done() and until == float("inf"):
            publishing.result()
            until = time.monotonic() + WATCHED_SECONDS
    bench.figures[f"{stage.value}_{name}_idle_megabytes"] = idle
    bench.figures[f"{stage.value}_{name}_growth_megabytes"] = most - idle
    tell(f"{stage.value}, {events} events of {size} bytes: {idle} MB idle, {most} MB with them")


def _before(stage: Stage) -> Stage | None:
    """Who signs what a stage consumes; None is the edge."""
    return next((one for one in Stage if one.produces is stage.consumes), None)


def _events(stage: Stage, tenants: Sequence[str], count: int, size: int) -> Iterator[Any]:
    text = size - ENVELOPE_BYTES
    if stage.consumes is Topic.TICKETS_RECEIVED:
        return received(tenants, count, text_bytes=text)
    if stage.consumes is Topic.TICKETS_ENRICHED:
        return enriched(tenants, count, text_bytes=text, items=0)
    if stage.consumes is Topic.ENHANCEMENTS_SYNTHESIZED:
        return synthesized(tenants, count, text_bytes=text)
    return submitted(tenants, count, text_bytes=text)
