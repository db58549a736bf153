"""A console on fakes, and a browser for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from infra.ops.cli.operators import Operator
from infra.ops.cli.surroundings import Surroundings
from infra.ops.console.app import Site, console_app
from infra.ops.console.fakes import FakeCommands, FakeSessionStore, FakeTokens
from infra.ops.console.sessions import Sessions
from infra.ops.console.sign_in import SignIn
from infra.ops.console.visits import Page, Rooms, Visit
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool
from ingest.source_address import SourceAddresses
from sinks.postgres.operator_tokens import Role

TOKEN = "tso_" + "a" * 43
SUPPORT = Operator("Ada", Role.SUPPORT, frozenset({"msp-one"}), "11111111-1111-1111-1111-111111111111")
OURS = {"Sec-Fetch-Site": "same-origin"}


def no_pool() -> Pool:
    raise PostgresUnavailable("there is none in this test")


async def shown(_: web.Request, visit: Visit) -> web.Response:
    return web.Response(text=f"{visit.operator.name} {visit.csrf}")


async def changed(request: web.Request, visit: Visit) -> web.Response:
    result = await visit.run("tenant enable", {"tenant_id": str((await request.post())["tenant"])})
    return web.json_response({"exit_code": result.exit_code})


async def broken(_: web.Request, __: Visit) -> web.Response:
    raise RuntimeError("the secret is 4711")


PAGES = (Page("GET", "/shown", shown), Page("POST", "/changed", changed), Page("GET", "/broken", broken))


@dataclass
class Console:
    store: FakeSessionStore = field(default_factory=FakeSessionStore)
    tokens: FakeTokens = field(default_factory=lambda: FakeTokens({TOKEN: SUPPORT}))
    commands: FakeCommands = field(default_factory=FakeCommands)
    by_https: bool = False
    client: Any = None

    async def start(self) -> None:
        sessions = Sessions(self.store, SignIn(self.tokens.whose, SourceAddresses()), by_https=self.by_https)
        rooms = Rooms(Surroundings(Path("/nowhere"), {}), no_pool, self.commands)
        app = console_app(Site(sessions, rooms, self.by_https, pages=PAGES))
        self.client = TestClient(TestServer(app))
        await self.client.start_server()

    async def log_in(self, token: str = TOKEN, **form: str) -> Any:
        return await self.client.post("/login", data={"token": token, **form}, headers=OURS, allow_redirects=False)


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    made = Console()
    await made.start()
    yield made
    await made.client.close()
