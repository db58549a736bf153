"""A server that does what a desk wouldn't, for the client's tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from infra.ops.local.http_server import LocalHttpServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class OneHandler(LocalHttpServer):
    """Answers everything with one handler."""

    def __init__(self) -> None:
        super().__init__()
        self.handler: Handler | None = None
        self.seen: list[web.Request] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        assert self.handler
        return await self.handler(request)
