"""`bench telemetry`: what looking costs. The throughput of the chain with metrics, logs and traces, against none of them.

Each run has a stack of its own, with all of it and without in turns; with `only` one of the three is looked at by itself. Logs:
from INFO on, else from ERROR on. Traces: all spans, sent to a collector that takes everything. Metrics: each process scraped every
5 s, three times as often as by the Prometheus of the chart; else they count nothing; no setting of the services does that: they are
exchanged as the interpreter starts. CPU is that of the platform's processes alone: whoever scrapes and the collector are in the
process that measures. On a machine that does other things CPU is the figure to look at: throughput is others', too.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from infra.ops.bench.figures import Bench
from infra.ops.bench.throughput import PLATFORM, Circumstances, measured, nothing_beside
from infra.ops.local.http_server import LocalHttpServer
from infra.ops.local.stack.services import SIMULATOR
from infra.ops.local.stack.stack import LocalStack

TICKETS = 1500
PAIRS = 3
SCRAPE_SECONDS = 5.0
ON, OFF = "on", "off"
LOGS, METRICS, TRACES = "logs", "metrics", "traces"
PARTS = (LOGS, METRICS, TRACES)
NO_METRICS = """\
from prometheus_client import Counter, Gauge, Histogram, Summary
from prometheus_client.metrics import MetricWrapperBase

def nothing(*_, **__):
    pass

MetricWrapperBase.labels = lambda self, *_, **__: self
for kind in (Counter, Gauge, Histogram, Summary):
    for name in ("inc", "dec", "set", "observe", "set_to_current_time", "set_function", "remove", "clear"):
        if hasattr(kind, name):
            setattr(kind, name, nothing)
"""


class Collector(LocalHttpServer):
    """Takes spans by OTLP over HTTP and forgets them."""

    def __init__(self) -> None:
        super().__init__()
        self.requests, self.size = 0, 0

    def application(self) -> web.Application:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._take)
        return app

    async def _take(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.size += len(await request.read())
        return web.Response(content_type="application/x-protobuf")


@dataclass(slots=True)
class _Runs:
    """Of one kind."""

    benches: list[Bench] = field(default_factory=list)

    def figures(self, name: str) -> list[float]:
        return [bench.figures[name] for bench in self.benches]


async def bench_telemetry(tell: Callable[[str], None], *, events: int = TICKETS, only: str = "") -> Bench:
    """`events` tickets a run. Raises RuntimeError when a ticket gets no note, or when nothing was scraped."""
    parts = (only,) if only else PARTS
    runs, scrapes = {ON: _Runs(), OFF: _Runs()}, list[int]()
    async with Collector() as collector:
        with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as folder:
            (Path(folder) / "sitecustomize.py").write_text(NO_METRICS, encoding="utf-8")
            beside = partial(_scraped, scrapes) if METRICS in parts else nothing_beside
            how = {
                ON: Circumstances(_looked_at(parts, collector.url, folder), beside),
                OFF: Circumstances(_looked_at((), collector.url, folder)),
            }
            for pair in range(PAIRS):
                for which in (OFF, ON) if pair % 2 == 0 else (ON, OFF):
                    bench = await measured(tell, events, how[which])
                    runs[which].benches.append(bench)
                    tell(
                        f"{which}: {bench.figures['tickets_per_second']} tickets/s, {bench.figures[PLATFORM]} ms CPU each"
                    )
    if METRICS in parts and not scrapes:
        raise RuntimeError("no process was scraped: a run was shorter than 5 s, so measure with more --events")
    bench = _compared(runs)
    bench.compared[ON] = ", ".join(parts)
    bench.figures |= {
        "tickets_a_run": events,
        "scrapes": len(scrapes),
        "scrape_kilobytes": round(statistics.mean(scrapes or [0]) / 1000, 1),
        "spans_requests": collector.requests,
        "spans_kilobytes": round(collector.size / 1000),
    }
    return bench


def _compared(runs: Mapping[str, _Runs]) -> Bench:
    """Each pair by itself, and the median of the pairs: the machine may be another one ten minutes later."""
    bench = Bench("telemetry", compared={OFF: "logs from ERROR on, no spans, metrics that count nothing"})
    for which, of in runs.items():
        bench.figures[f"{which}_tickets_per_second"] = round(statistics.median(of.figures("tickets_per_second")), 1)
        for figure in _cpu_figures(of):
            bench.figures[f"{which}_{figure}"] = round(statistics.median(of.figures(figure)), 2)
    for ratio, figure in (("throughput_on_to_off", "tickets_per_second"), ("cpu_on_to_off", PLATFORM)):
        pairs = zip(runs[ON].figures(figure), runs[OFF].figures(figure), strict=True)
        bench.ratios[ratio] = round(statistics.median(on / off for on, off in pairs), 3)
    return bench


def _cpu_figures(runs: _Runs) -> list[str]:
    """Of the platform, then of each process."""
    return sorted((name for name in runs.benches[0].figures if name.endswith(PLATFORM)), key=len)


def _looked_at(parts: Collection[str], collector: str, folder: str) -> dict[str, str]:
    """What the services inherit, where these parts are on; `folder` has what stands for metrics that are off."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment["TICKETSTREAM_LOG_LEVEL"] = "INFO" if LOGS in parts else "ERROR"
    if TRACES in parts:
        environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    if METRICS not in parts:
        path = [part for part in (folder, environment.get("PYTHONPATH")) if part]
        environment["PYTHONPATH"] = os.pathsep.join(path)
    return environment


@asynccontextmanager
async def _scraped(sizes: list[int], stack: LocalStack) -> AsyncIterator[None]:
    """Every process every 5 s, as Prometheus would more seldom."""

    async def scrape(session: aiohttp.ClientSession, url: str) -> None:
        while True:
            async with session.get(f"{url}/metrics") as answer:
                sizes.append(len(await answer.read()))
            await asyncio.sleep(SCRAPE_SECONDS)

    urls: dict[str, Any] = {name: url for name, url in stack.endpoints.internal.items() if name != SIMULATOR}
    async with aiohttp.ClientSession() as session:
        scraping = [asyncio.create_task(scrape(session, url)) for url in urls.values()]
        try:
            yield
        finally:
            for task in scraping:
                task.cancel()
            results = await asyncio.gather(*scraping, return_exceptions=True)
    if failed := [result for result in results if isinstance(result, Exception)]:
        raise RuntimeError(f"a process could not be scraped: {failed[0]!r}")
