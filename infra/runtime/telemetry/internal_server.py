"""The internal port of every process: probes, health, metrics. Never reachable from outside the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from infra.runtime.telemetry.exposition import CONTENT_TYPE_LATEST, rendered
from infra.runtime.telemetry.http_log import server_logger
from infra.runtime.telemetry.process_metrics import show_build, watch_loop

CHECK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`required` checks make the process not ready (and unhealthy) when they fail; others make it degraded."""

    ok: bool
    detail: str = ""
    required: bool = True


Check = Callable[[], Awaitable[CheckResult]]


class InternalServer:
    """Serves `/livez`, `/readyz`, `/health`, `/metrics` and what a process adds. `alive` says whether a restart would help."""

    def __init__(
        self,
        *,
        checks: Mapping[str, Check],
        alive: Callable[[], bool] = lambda: True,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        self._checks, self._alive = checks, alive
        self.app = web.Application()
        self.app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
                *routes,
            ]
        )
        self._runner: web.AppRunner | None = None
        self._watching: asyncio.Task[None] | None = None
        self._rendering: asyncio.Task[bytes] | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        self._runner = web.AppRunner(self.app, access_log=None, logger=server_logger())
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        show_build()
        self._watching = asyncio.create_task(watch_loop())

    async def stop(self) -> None:
        if self._watching:
            self._watching.cancel()
        if self._runner:
            await self._runner.cleanup()

    async def results(self) -> dict[str, CheckResult]:
        answers = await asyncio.gather(*(_bounded(check) for check in self._checks.values()))
        return dict(zip(self._checks, answers, strict=True))

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="ok") if self._alive() else web.Response(status=503, text="stuck")

    async def _readyz(self, _: web.Request) -> web.Response:
        failing = {
            name: result.detail for name, result in (await self.results()).items() if result.required and not result.ok
        }
        return _json({"ready": not failing, "failing": failing}, 503 if failing else 200)

    async def _health(self, _: web.Request) -> web.Response:
        results = await self.results()
        status = "healthy"
        if any(not result.ok for result in results.values()):
            status = (
                "unhealthy" if any(result.required and not result.ok for result in results.values()) else "degraded"
            )
        checks = {name: {"ok": result.ok, "detail": result.detail} for name, result in results.items()}
        return _json({"status": status, "checks": checks}, 503 if status == "unhealthy" else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        """Who asks while the text is being made gets the same: any number of scrapers cost no more than one at a time."""
        if self._rendering is None or self._rendering.done():
            self._rendering = asyncio.create_task(asyncio.to_thread(rendered))
        body = await asyncio.shield(self._rendering)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _bounded(check: Check) -> CheckResult:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except TimeoutError:
        return CheckResult(False, f"no answer within {CHECK_SECONDS:.0f} s")
    except Exception as error:
        return CheckResult(False, f"{type(error).__name__}: {error}")


def _json(value: Any, status: int) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
