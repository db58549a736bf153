"""The load that benchmarks send, against a real server."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from infra.ops.bench.load import http_request, run_load

BUSY_FIRST = 3
REQUESTS = [http_request("/", str(number).encode(), {}) for number in range(10)]


class Site:
    """Says 503 to the first few, or to all."""

    def __init__(self) -> None:
        self.busy = BUSY_FIRST
        self.taken: Counter[bytes] = Counter()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.busy:
            self.busy -= 1
            return web.Response(status=503)
        self.taken[body] += 1
        return web.Response(status=202)


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, int]]:
    made, app = Site(), web.Application()
    app.router.add_post("/", made.handle)
    async with TestServer(app) as server:
        yield made, server.port or 0


async def test_what_a_busy_server_did_not_take_is_sent_again(site: tuple[Site, int]) -> None:
    made, port = site
    load = await run_load("127.0.0.1", port, REQUESTS, 2, most_resent=len(REQUESTS))
    assert load.statuses == {503: BUSY_FIRST, 202: len(REQUESTS)}
    assert load.resent == BUSY_FIRST
    assert set(made.taken.values()) == {1}
    assert len(made.taken) == len(REQUESTS)


async def test_a_server_that_stays_busy_does_not_keep_the_load_for_ever(site: tuple[Site, int]) -> None:
    made, port = site
    made.busy = 1000
    load = await run_load("127.0.0.1", port, REQUESTS, 2, most_resent=5)
    assert load.statuses == {503: len(REQUESTS) + 5}
