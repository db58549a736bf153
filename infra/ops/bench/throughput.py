"""`bench throughput`: what one worker a stage takes, with more tickets waiting than they can take, from webhook to note.

Twenty tenants with their default caps, the demo's knowledge and tickets that all differ, the built-in writer. The webhooks are sent
as fast as the edge takes them, and again where it says 503; the clock runs from the first of them to the last note on a desk. CPU
is what the processes' own clocks say. On a machine that does other things it is some ten percent more, since caches are shared;
tickets a second say nothing there.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from infra.ops.bench.figures import Bench, cpu_seconds, cpu_seconds_of_all, resident_megabytes
from infra.ops.bench.load import LoadResult, http_request, run_load
from infra.ops.cli.database import operator_pool
from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.webhook_request import headers, new_webhook_id
from infra.ops.demo.memory import Memory
from infra.ops.demo.setting_up import WHO, Stage, bring_data, set_up, wait_until_known
from infra.ops.demo.tenants import DemoTenant, LiveTicket, demo_tenants
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack.options import StackOptions, WantedPorts
from infra.ops.local.stack.services import SIMULATOR
from infra.ops.local.stack.stack import LocalStack
from sinks.postgres.tenants import Change, TenantStore

TENANTS = 20
TICKETS = 3000
WARM_UP = 200
CONNECTIONS = 16
FIRST_TICKET_ID = 6_000_000
LOOK_SECONDS = 0.25
SILENCE_SECONDS = 60.0
SETTLE_SECONDS = 2.0
PLATFORM = "cpu_ms_per_ticket"
"""The platform's own processes: edge and stages. Kafka, PostgreSQL, the desks and the load stand beside it."""


@dataclass(slots=True)
class _Desks:
    """The notes on all desks, read as they come."""

    control: SimulatorControl
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_at: float = 0.0
    _read: int = 0

    async def look(self) -> None:
        found = await self.control.read_notes(start=self._read)
        self._read = found.next_start
        for note in found.notes:
            self.notes[note.desk, note.request_id] += 1
            self.last_at = max(self.last_at, note.at)

    async def wait_for(self, wanted: set[tuple[str, str]]) -> None:
        """Until each has a note. Raises RuntimeError when none came for a minute."""
        heard, count = time.monotonic(), -1
        while not wanted <= self.notes.keys():
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()
            if len(self.notes) > count:
                heard, count = time.monotonic(), len(self.notes)
            elif time.monotonic() - heard > SILENCE_SECONDS:
                raise RuntimeError(f"{len(wanted - self.notes.keys())} of {len(wanted)} tickets got no note")


@asynccontextmanager
async def nothing_beside(_: LocalStack) -> AsyncIterator[None]:
    yield


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the services inherit, and what goes on beside them while they are measured."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    beside: Callable[[LocalStack], AbstractAsyncContextManager[None]] = nothing_beside


async def bench_throughput(tell: Callable[[str], None], *, tickets: int = TICKETS) -> Bench:
    """Raises RuntimeError unless each ticket gets exactly one note: a rate of some other work would mean nothing."""
    return await measured(tell, tickets, Circumstances())


async def measured(tell: Callable[[str], None], tickets: int, circumstances: Circumstances) -> Bench:
    """One run on a stack of its own. Raises as `bench_throughput`."""
    with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as folder:
        options = StackOptions(Path(folder), WantedPorts.any_free(), environment=circumstances.environment)
        async with LocalStack(options, tell=tell) as stack, AsyncExitStack() as opened:
            around = Surroundings.find(options.state_dir)
            pool = await opened.enter_async_context(operator_pool(around))
            session = await opened.enter_async_context(aiohttp.ClientSession())
            control = SimulatorControl(stack.endpoints.servicedesk or "", session)
            stage = Stage(around, pool, session, control, Memory.load(options.state_dir))
            tenants = bench_tenants()
            await _prepare(stage, tenants)
            live = await _tickets(stage, tenants, tickets + WARM_UP)
            desks = _Desks(control)
            await _play(stage, desks, live[:WARM_UP])
            tell(f"{tickets} tickets of {TENANTS} tenants, as fast as they are taken")
            measuring = _Measuring.begin(stack)
            started = time.time()
            async with circumstances.beside(stack):
                load = await _play(stage, desks, live[WARM_UP:])
            took = desks.last_at - started
            bench = measuring.bench(tickets, took)
            bench.figures["accepted_per_second"] = round(load.per_second, 1)
            bench.figures["webhooks_resent"] = load.resent
            await asyncio.sleep(SETTLE_SECONDS)
            await desks.look()
            if doubled := [ticket for ticket, notes in desks.notes.items() if notes > 1]:
                raise RuntimeError(f"{len(doubled)} tickets got more than one note: {doubled[:5]}")
            return bench


def bench_tenants() -> tuple[DemoTenant, ...]:
    """The demo's tenants, each several times under names of their own."""
    data = cycle(tenant.data for tenant in demo_tenants())
    names = [f"bench-{number:02d}" for number in range(TENANTS)]
    return tuple(DemoTenant(name, "onprem", f"bench-authtoken-{name}", next(data)) for name in names)


async def _prepare(stage: Stage, tenants: Sequence[DemoTenant]) -> None:
    """The edge's limit of a tenant's webhooks is raised, since all of a tenant's tickets come at once; nothing else is."""
    await set_up(stage, tenants)
    store = TenantStore(stage.pool)
    for tenant in tenants:
        limits = {"webhook_rate_per_second": 1000, "webhook_burst": 10_000}
        await store.set(tenant.tenant_id, limits, Change(WHO, "bench"))
        await bring_data(stage, tenant)
    stage.changed_at = time.monotonic()
    await wait_until_known(stage, tenants)


async def _tickets(stage: Stage, tenants: Sequence[DemoTenant], count: int) -> list[LiveTicket]:
    """The demo's tickets with a line of their own each, so that no answer of a search serves two; on their desks beforehand."""
    turns = [cycle(tenant.tickets(1)) for tenant in tenants]
    live = []
    for number in range(count):
        written = next(turns[number % len(turns)])
        ticket_id = str(FIRST_TICKET_ID + number)
        own = f"{written.fields['description']}\n\nOur reference is {number}."
        live.append(LiveTicket(written.tenant_id, ticket_id, {**written.fields, "id": ticket_id, "description": own}))
    for ticket in live:
        await stage.desks.create_request(ticket.tenant_id, **ticket.fields)
    return live


async def _play(stage: Stage, desks: _Desks, live: Sequence[LiveTicket]) -> LoadResult:
    """Sends all and waits until each has its note."""
    keys = {tenant.tenant_id: stage.key(tenant) for tenant in bench_tenants()}
    requests = [_webhook(stage, keys[ticket.tenant_id], ticket) for ticket in live]
    edge = urlsplit(stage.around.webhook_url(live[0].tenant_id))
    load = await run_load(edge.hostname or "", edge.port or 0, requests, CONNECTIONS, most_resent=len(requests))
    if load.statuses[202] < len(live):
        raise RuntimeError(f"not all webhooks were accepted: {dict(load.statuses)}")
    await desks.wait_for({(ticket.tenant_id, ticket.ticket_id) for ticket in live})
    return load


def _webhook(stage: Stage, key: bytes, ticket: LiveTicket) -> bytes:
    body = json.dumps({"request": ticket.fields, "operation": "created"}).encode()
    signed = headers(key, new_webhook_id(), body)
    path = urlsplit(stage.around.webhook_url(ticket.tenant_id)).path
    return http_request(path, body, {name: value for name, value in signed.items() if name != "Content-Type"})


@dataclass(frozen=True, slots=True)
class _Measuring:
    """CPU seconds of everybody at the beginning."""

    own: dict[str, int]
    beside: dict[str, int]
    before: dict[str, float]

    @classmethod
    def begin(cls, stack: LocalStack) -> _Measuring:
        services = {name: stack.supervisor.status(name).pid or 0 for name in (*stack.endpoints.internal, SIMULATOR)}
        beside = {SIMULATOR: services.pop(SIMULATOR), "load": os.getpid()}
        if stack.foundations.broker:
            beside["kafka"] = stack.foundations.broker.pid or 0
        if stack.foundations.postgres:
            beside["postgres"] = stack.foundations.postgres.pid or 0
        return cls(services, beside, _used(services | beside))

    def bench(self, tickets: int, took: float) -> Bench:
        bench = Bench("throughput", compared={PLATFORM: "edge and stages", "the others": "each process by itself"})
        after = _used(self.own | self.beside)
        used = {name: after[name] - self.before[name] for name in after}
        bench.figures["tickets"] = tickets
        bench.figures["tickets_per_second"] = round(tickets / took, 1)
        bench.figures[PLATFORM] = round(1000 * sum(used[name] for name in self.own) / tickets, 2)
        for name, seconds in used.items():
            bench.figures[f"{name}_{PLATFORM}"] = round(1000 * seconds / tickets, 2)
        for name, pid in self.own.items():
            bench.figures[f"{name}_megabytes"] = resident_megabytes(pid)
        bench.figures["cores_used"] = round(sum(used.values()) / took, 2)
        bench.figures["load_average"] = round(os.getloadavg()[0], 2)
        bench.ratios["platform_of_all_cpu"] = round(sum(used[name] for name in self.own) / sum(used.values()), 2)
        return bench


def _used(pids: dict[str, int]) -> dict[str, float]:
    """PostgreSQL works in children."""
    return {name: cpu_seconds_of_all(pid) if name == "postgres" else cpu_seconds(pid) for name, pid in pids.items()}
