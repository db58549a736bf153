"""`bench chain`: from signed webhook to note at a steady rate, through all processes, on the local stack with the demo's data.

The built-in writer composes the notes, so the figures are the platform's own. The simulators' CPU is not counted.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import aiohttp

from infra.ops.bench.figures import Bench, cpu_seconds, resident_megabytes
from infra.ops.cli.database import operator_pool
from infra.ops.cli.kafka_reader import client_config
from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.webhook_request import headers, new_webhook_id, send
from infra.ops.demo.memory import Memory
from infra.ops.demo.setting_up import Stage, bring_data, set_up, wait_until_known
from infra.ops.demo.tenants import DemoTenant, LiveTicket, demo_tenants
from infra.ops.demo.watch import Watch
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack.options import StackOptions, WantedPorts
from infra.ops.local.stack.services import SIMULATOR
from infra.ops.local.stack.stack import LocalStack

RATE = 5.0
TICKETS = 300
WARM_UP = 15
SETTLE_SECONDS = 60.0
FIRST_TICKET_ID = 5_000_000


@dataclass(slots=True)
class _Sent:
    answered: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def bench_chain(tell: Callable[[str], None], *, rate: float = RATE, tickets: int = TICKETS) -> Bench:
    """Raises RuntimeError when a ticket gets no note: a latency of those that did would mean nothing."""
    with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as folder:
        options = StackOptions(state_dir=Path(folder), ports=WantedPorts.any_free())
        async with LocalStack(options, tell=tell) as stack, AsyncExitStack() as opened:
            around = Surroundings.find(options.state_dir)
            pool = await opened.enter_async_context(operator_pool(around))
            session = await opened.enter_async_context(aiohttp.ClientSession())
            desks = SimulatorControl(stack.endpoints.servicedesk or "", session)
            stage, tenants = Stage(around, pool, session, desks, Memory.load(options.state_dir)), demo_tenants()
            partitions = await set_up(stage, tenants)
            for tenant in tenants:
                await bring_data(stage, tenant)
            await wait_until_known(stage, tenants)
            watch = await Watch(client_config(dict(around.variables)), around.topic_prefix).start(partitions.values())
            opened.push_async_callback(watch.stop)
            live = await _tickets(stage, tenants, tickets + WARM_UP)
            await _play(stage, watch, live[:WARM_UP], rate)
            seen = {event.event_id for event in watch.delivered}
            tell(f"{tickets} tickets at {rate:.0f}/s")
            pids = {
                name: stack.supervisor.status(name).pid or 0 for name in stack.endpoints.internal if name != SIMULATOR
            }
            before, started = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
            sent = await _play(stage, watch, live[WARM_UP:], rate)
            took = time.monotonic() - started
            used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
            total_ms = [event.total_ms for event in watch.delivered if event.event_id not in seen]
            bench = _figures(total_ms, sent, took)
            for name, seconds in used.items():
                bench.figures[f"{name}_cpu_ms_per_ticket"] = round(1000 * seconds / tickets, 2)
                bench.figures[f"{name}_megabytes"] = resident_megabytes(pids[name])
            bench.figures["cpu_ms_per_ticket"] = round(1000 * sum(used.values()) / tickets, 2)
            return bench


async def _tickets(stage: Stage, tenants: Sequence[DemoTenant], count: int) -> list[LiveTicket]:
    """The demo's live tickets under new ids, tenants in turn, on their desks before the clock runs."""
    texts: list[LiveTicket] = []
    turns = [cycle(tenant.tickets(1)) for tenant in tenants]
    for number in range(count):
        written = next(turns[number % len(turns)])
        ticket_id = str(FIRST_TICKET_ID + number)
        texts.append(LiveTicket(written.tenant_id, ticket_id, {**written.fields, "id": ticket_id}))
    for ticket in texts:
        await stage.desks.create_request(ticket.tenant_id, **ticket.fields)
    return texts


async def _play(stage: Stage, watch: Watch, live: Sequence[LiveTicket], rate: float) -> _Sent:
    """Sends at the rate, whatever the answers take, and waits until each ticket has its note."""
    keys = {tenant.tenant_id: stage.key(tenant) for tenant in demo_tenants()}
    sent, started = _Sent(), time.monotonic()
    wanted = {(ticket.tenant_id, ticket.ticket_id) for ticket in live}

    async def one(number: int, ticket: LiveTicket) -> None:
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        body = json.dumps({"request": ticket.fields, "operation": "created"}).encode()
        begun = time.monotonic()
        signed = headers(keys[ticket.tenant_id], new_webhook_id(), body)
        answer = await send(stage.session, stage.around.webhook_url(ticket.tenant_id), body, signed)
        sent.answered.append(1000 * (time.monotonic() - begun))
        if answer.status != 202:
            sent.refused.append(f"{ticket.ticket_id}: {answer.status}")

    await asyncio.gather(*(one(number, ticket) for number, ticket in enumerate(live)))

    def noted() -> bool:
        return wanted <= {(event.tenant_id, event.ticket_id) for event in watch.delivered if event.note_id}

    if sent.refused or not await watch.wait_for(noted, SETTLE_SECONDS):
        raise RuntimeError(
            f"not every ticket got its note; refused: {sent.refused[:5]}, dead letters: {len(watch.dead_letters)}"
        )
    return sent


def _figures(total_ms: Sequence[int], sent: _Sent, took: float) -> Bench:
    bench = Bench(
        "chain",
        compared={
            "webhook_to_note": "from the edge's receipt to the note, as the delivered event says",
            "answered": "the edge's answer to the sender",
        },
    )
    cuts = statistics.quantiles(total_ms, n=100)
    bench.figures |= {
        "tickets": len(total_ms),
        "per_second": round(len(total_ms) / took, 2),
        "webhook_to_note_p50_ms": round(cuts[49]),
        "webhook_to_note_p95_ms": round(cuts[94]),
        "webhook_to_note_max_ms": max(total_ms),
        "answered_p50_ms": round(statistics.median(sent.answered), 1),
        "answered_p95_ms": round(statistics.quantiles(sent.answered, n=20)[18], 1),
    }
    bench.ratios["webhook_to_note_p50_to_answered_p50"] = round(cuts[49] / statistics.median(sent.answered), 1)
    bench.ratios["webhook_to_note_p95_to_p50"] = round(cuts[94] / cuts[49], 2)
    return bench
