"""`GET /lag` and `GET /scaling/{stage}`: for KEDA, the console and whoever is in the cluster. Either all is known, or it is an
error: KEDA takes any other answer than 200 for one, and then leaves the workers as they are."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from infra.ops.lag.view import unknown_json
from infra.ops.lag.watch import LOOK_SECONDS, LagWatch, NotKnown
from infra.runtime.telemetry.http_log import server_logger
from schemas.topics import Stage

RETRY_AFTER = {"Retry-After": str(round(LOOK_SECONDS))}


class LagServer:
    """The service's public port."""

    def __init__(self, watch: LagWatch) -> None:
        self._watch = watch
        self.app = web.Application()
        self.app.add_routes([web.get("/lag", self._lag), web.get("/scaling/{stage}", self._scaling)])
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        self._runner = web.AppRunner(self.app, access_log=None, logger=server_logger())
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _lag(self, _: web.Request) -> web.Response:
        """Always 200: what isn't known is null, and `error` says why."""
        view, wrong = self._watch.lag()
        if view is None:
            return _json({"stages": {stage.value: unknown_json(wrong) for stage in Stage}, "error": wrong})
        return _json(view.as_json() | {"error": wrong or None})

    async def _scaling(self, request: web.Request) -> web.Response:
        name = request.match_info["stage"]
        stages = [stage.value for stage in Stage]
        if name not in stages:
            return _json({"error": f"there is no stage {name[:64]!r}", "stages": stages}, 404)
        try:
            return _json(self._watch.stage(Stage(name)).scaling_json(Stage(name)))
        except NotKnown as why:
            return _json({"error": str(why), "stage": name}, 503)


def _json(value: Any, status: int = 200) -> web.Response:
    headers = RETRY_AFTER if status == 503 else None
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json", headers=headers)
