"""`bench scrape`: what Prometheus asks of the processes with 200 tenants: how many series, how long a scrape takes, and what the
process's other work notices of it.

Each process's own metrics are filled with typical labels (see `infra.ops.metrics.typical`) and served by the internal server that
it has. They are scraped one after the other, and all the while somebody asks for `/livez`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from infra.ops.bench.figures import Bench
from infra.ops.metrics.processes import PROCESSES
from infra.ops.metrics.typical import series

TENANTS = 200
SCRAPES = 20
START_SECONDS = 60.0
PROBE_SECONDS = 0.005


@dataclass(slots=True)
class _Scraped:
    """Of one process; times in milliseconds."""

    series: int = 0
    size: int = 0
    took: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)

    @property
    def typical(self) -> float:
        return statistics.median(self.took)


async def bench_scrape(tell: Callable[[str], None], *, tenants: int = TENANTS) -> Bench:
    """Raises RuntimeError when a process can't be started."""
    found: dict[str, _Scraped] = {}
    async with aiohttp.ClientSession() as session:
        for process in PROCESSES:
            async with _serving(process, tenants) as url:
                found[process] = await _scraped(session, url)
            tell(f"{process}: {found[process].series} series in {found[process].typical:.0f} ms")
    slowest = max(found.values(), key=lambda one: one.typical)
    probes = [probe for one in found.values() for probe in one.probes]
    bench = Bench("scrape", compared={"livez": "what else is asked of a process while it is scraped"})
    bench.figures |= {
        "tenants": tenants,
        "series": sum(one.series for one in found.values()),
        "slowest_ms": round(slowest.typical, 1),
        "slowest_max_ms": round(max(slowest.took), 1),
        "kilobytes": round(sum(one.size for one in found.values()) / 1000),
        "livez_while_scraped_p95_ms": round(statistics.quantiles(probes, n=20)[18], 1),
        "livez_while_scraped_max_ms": round(max(probes), 1),
    }
    for process, one in found.items():
        bench.figures[f"{process}_series"] = one.series
        bench.figures[f"{process}_ms"] = round(one.typical, 1)
    bench.ratios["series_of_20000"] = round(bench.figures["series"] / 20_000, 2)
    bench.ratios["slowest_of_300_ms"] = round(slowest.typical / 300, 2)
    return bench


async def _scraped(session: aiohttp.ClientSession, url: str) -> _Scraped:
    found = _Scraped()
    for _ in range(SCRAPES):
        began = time.perf_counter()
        scrape = asyncio.create_task(_get(session, f"{url}/metrics"))
        while not scrape.done():
            asked = time.perf_counter()
            await _get(session, f"{url}/livez")
            found.probes.append(1000 * (time.perf_counter() - asked))
            await asyncio.wait({scrape}, timeout=PROBE_SECONDS)
        text = await scrape
        found.took.append(1000 * (time.perf_counter() - began))
        found.series, found.size = series(text), len(text)
    return found


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url) as answer:
        answer.raise_for_status()
        return await answer.read()


@asynccontextmanager
async def _serving(process: str, tenants: int) -> AsyncIterator[str]:
    command = (sys.executable, "-m", "infra.ops.metrics.typical", process, str(tenants), "--serve")
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert child.stdin  # noqa: S101 - asked for
    assert child.stdout  # noqa: S101
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await child.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"{process} does not serve its metrics: see what it wrote above")
        yield f"http://127.0.0.1:{int(line)}"
    finally:
        child.stdin.close()
        await child.wait()
