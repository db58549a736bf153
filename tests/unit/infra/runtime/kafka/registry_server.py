"""A small schema registry that registers what it is given, as the real one does."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Registry:
    """Gives each new schema the next id from 41 up. `answer` is given instead of any other, if set."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.answer: web.Response | None = None
        self.url = ""

    async def __aenter__(self) -> Registry:
        app = web.Application()
        app.router.add_post("/subjects/{subject}/versions", self._register)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _register(self, request: web.Request) -> web.Response:
        if self.answer is not None:
            return self.answer
        assert (await request.json())["schema"].startswith("{")
        schema_id = self.ids.setdefault(request.match_info["subject"], 41 + len(self.ids))
        return web.json_response({"id": schema_id})
