"""Whether the dashboards have a tenant, asked of a Prometheus that answers wrongly; tests/integration/chain asks a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from infra.ops.local.free_ports import free_ports
from infra.ops.local.http_server import LocalHttpServer
from infra.ops.onboarding.edge_checks import in_prometheus


class Answering(LocalHttpServer):
    """Gives one body to everybody."""

    body = ""

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/api/v1/query", self._answer)])
        return app

    async def _answer(self, _: web.Request) -> web.Response:
        return web.Response(text=self.body)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    "body",
    ["<html>", "[]", '{"status":"error","error":"no"}', '{"data":{"result":[1]}}', '{"data":{"result":[{}]}}', "1"],
)
async def test_what_is_no_answer_of_prometheus_is_unknown_and_names_the_variable(
    session: aiohttp.ClientSession, body: str
) -> None:
    async with Answering() as server:
        server.body = body
        check = await in_prometheus(session, server.url, "msp-one")

    assert check.ok is None
    assert "TICKETSTREAM_PROMETHEUS_URL" in check.cure


async def test_a_prometheus_that_is_away_is_unknown(session: aiohttp.ClientSession) -> None:
    check = await in_prometheus(session, f"http://127.0.0.1:{free_ports(1)[0]}", "msp-one")

    assert (check.ok, "gives no answer" in check.detail) == (None, True)
