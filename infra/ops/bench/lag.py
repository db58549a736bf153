"""`bench lag`: what the lag service costs and how soon it shows a change, with 1,000 tenants on a Kafka of its own.

300 of the tenants have 8 events waiting at each of the four stages, and one of them is handled and another one comes every second:
each look finds that 1,200 of the 4,000 partitions moved, and reads again how old their first event is.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from infra.ops.bench.figures import Bench, cpu_seconds, resident_megabytes
from infra.ops.bench.lag_cell import Cell, lag_cell
from schemas.topics import Stage

TENANTS = 1000
LAGGING = 300
SETTLE_SECONDS = 10.0
MEASURED_SECONDS = 60.0
COMMIT_SECONDS = 1.0
"""As often as workers commit."""
CHANGES = 20
LOOK_SECONDS = 0.05
READY_SECONDS = 60.0
STILL_SECONDS = 20.0


@dataclass(slots=True)
class _Service:
    pid: int
    public: str
    internal: str
    session: aiohttp.ClientSession

    async def scaling(self, stage: Stage) -> dict[str, Any]:
        async with self.session.get(f"{self.public}/scaling/{stage.value}") as answer:
            if answer.status != 200:
                raise RuntimeError(f"/scaling said {answer.status}: {await answer.text()}")
            found: dict[str, Any] = await answer.json()
            return found

    async def lag_of(self, stage: Stage, tenant_id: str) -> int:
        found = await self.scaling(stage)
        return next(int(tenant["lag"]) for tenant in found["tenants"] if tenant["tenant_id"] == tenant_id)

    async def looks(self) -> tuple[dict[float, float], float]:
        """How many looks took at most so many seconds, and how long all took together."""
        async with self.session.get(f"{self.internal}/metrics") as answer:
            lines = [
                line
                for line in (await answer.text()).splitlines()
                if line.startswith("ticketstream_lag_refresh_seconds")
            ]
        edges = [line for line in lines if "_bucket" in line]
        (total,) = (float(line.rsplit(" ", 1)[1]) for line in lines if "_sum" in line)
        return {float(line.split('le="')[1].split('"')[0]): float(line.rsplit(" ", 1)[1]) for line in edges}, total


@dataclass(slots=True)
class _Load:
    """Tenants that are worked on."""

    cell: Cell
    lagging: int
    late: list[float] = field(default_factory=list)
    ending: bool = False

    async def run(self) -> None:
        """Whole rounds: all that came is written, and all that is done is committed."""
        due = time.monotonic()
        while not self.ending:
            for stage, group in self.cell.groups.items():
                for number in range(self.lagging):
                    self.cell.arrive(stage, number)
                    group.handle(number)
            await self.cell.arrived()
            await asyncio.gather(*(group.commit() for group in self.cell.groups.values()))
            due += COMMIT_SECONDS
            self.late.append(max(0.0, time.monotonic() - due))
            await asyncio.sleep(max(0.0, due - time.monotonic()))


async def bench_lag(tell: Callable[[str], None], *, events: int = TENANTS) -> Bench:
    """`events` is how many tenants there are. Raises RuntimeError where a number that is shown is wrong."""
    lagging = events * LAGGING // TENANTS
    bench = Bench("lag", compared={"refresh_to_interval": "the mean time of a look, beside the 2 s between two"})
    bench.figures |= {"tenants": events, "stages": len(Stage), "tenants_lagging": lagging}
    async with AsyncExitStack() as opened:
        cell = await opened.enter_async_context(lag_cell(tell, tenants=events, lagging=lagging))
        pid = await opened.enter_async_context(cell.lag_service())
        service = await _ready(cell, pid, await opened.enter_async_context(aiohttp.ClientSession()))
        load = _Load(cell, lagging)
        working = asyncio.create_task(load.run())
        await asyncio.sleep(SETTLE_SECONDS)
        tell("Looking on for a minute")
        await _cost(bench, service)
        tell("Changing one tenant's events")
        await _changes(bench, cell, service, events)
        load.ending = True
        await working
        bench.figures["load_late_seconds"] = round(max(load.late), 2)
        await _is_right(cell, service, bench)
    return bench


async def _ready(cell: Cell, pid: int, session: aiohttp.ClientSession) -> _Service:
    deadline, file = time.monotonic() + READY_SECONDS, Path(cell.environment()["TICKETSTREAM_PORTS_FILE"])
    while time.monotonic() < deadline:
        with suppress(OSError, aiohttp.ClientError, RuntimeError):
            ports = json.loads(await asyncio.to_thread(file.read_text))
            service = _Service(pid, ports["public"], ports["internal"], session)
            await service.scaling(Stage.ENRICH)
            return service
        await asyncio.sleep(0.2)
    raise RuntimeError(f"the lag service wasn't ready: {(cell.folder / 'lag.log').read_text()[-2000:]}")


async def _cost(bench: Bench, service: _Service) -> None:
    """Of a minute. A scrape now and then is part of it, as KEDA's question is."""
    (before, took), cpu, began, most = await service.looks(), cpu_seconds(service.pid), time.monotonic(), 0
    while time.monotonic() - began < MEASURED_SECONDS:
        most = max(most, resident_megabytes(service.pid))
        await asyncio.sleep(0.5)
    share = (cpu_seconds(service.pid) - cpu) / (time.monotonic() - began)
    after, total = await service.looks()
    looks = {edge: after[edge] - before[edge] for edge in after}
    count = looks[float("inf")]
    bench.figures["looks"] = int(count)
    bench.figures["seconds_between_looks"] = round(MEASURED_SECONDS / count, 2)
    bench.figures["refresh_mean_seconds"] = round((total - took) / count, 3)
    bench.ratios["refresh_to_interval"] = round((total - took) / MEASURED_SECONDS, 3)
    bench.figures["core_percent"] = round(100 * share, 1)
    bench.figures["megabytes"] = most
    bench.figures["refresh_p95_below_seconds"] = min(edge for edge, fast in looks.items() if fast >= 0.95 * count)
    bench.figures["refresh_max_below_seconds"] = min(edge for edge, fast in looks.items() if fast >= count)


async def _changes(bench: Bench, cell: Cell, service: _Service, tenants: int) -> None:
    """Of tenants that nothing else happens to, at moments that have nothing to do with the service's looks."""
    random, quiet = Random(0), tenants - 1
    tenant_id, group = f"bench-{quiet}", cell.groups[Stage.DELIVER]
    arrivals, completions = [], []
    for _ in range(CHANGES):
        await asyncio.sleep(random.uniform(0, 2))
        cell.arrive(Stage.DELIVER, quiet)
        await cell.arrived()
        arrivals.append(await _seen(lambda: service.lag_of(Stage.DELIVER, tenant_id), 1))
        await asyncio.sleep(random.uniform(0, 2))
        group.handle(quiet)  # committed when the second is over
        completions.append(await _seen(lambda: service.lag_of(Stage.DELIVER, tenant_id), 0))
    for name, seconds in (("arrival", arrivals), ("completion", completions)):
        bench.figures[f"{name}_visible_p50_seconds"] = round(statistics.median(seconds), 2)
        bench.figures[f"{name}_visible_max_seconds"] = round(max(seconds), 2)


async def _seen(lag: Callable[[], Awaitable[int]], wanted: int) -> float:
    began = time.monotonic()
    while await lag() != wanted:
        if time.monotonic() - began > READY_SECONDS:
            raise RuntimeError("a change was never seen")
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - began


async def _is_right(cell: Cell, service: _Service, bench: Bench) -> None:
    """Nothing moves any more: what is shown must be what is."""
    for group in cell.groups.values():
        await group.commit()
    deadline, wrong = time.monotonic() + STILL_SECONDS, 1
    while wrong and time.monotonic() < deadline:
        await asyncio.sleep(1.0)
        wrong = await _wrong(cell, service)
    bench.figures["wrong_when_still"] = wrong
    if wrong:
        raise RuntimeError(f"{wrong} tenants' lags are not what they are")


async def _wrong(cell: Cell, service: _Service) -> int:
    """Of how many tenants and stages another lag is shown than there is."""
    wrong = 0
    for stage, group in cell.groups.items():
        shown = {tenant["tenant_id"]: tenant["lag"] for tenant in (await service.scaling(stage))["tenants"]}
        truth = {f"bench-{number}": group.written[number] - group.handled[number] for number in group.written}
        wrong += sum(shown[name] != lag for name, lag in truth.items())
    return wrong
