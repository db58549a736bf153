"""A command's process: with the caller's token and nothing of the console's own, and no longer than somebody listens."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from infra.ops.cli.operators import Operator
from infra.ops.cli.surroundings import Surroundings
from infra.ops.console import console_metrics
from infra.ops.console.app import Site, console_app
from infra.ops.console.commands.api import CommandApi
from infra.ops.console.commands.runner import Caller, Commands
from infra.ops.console.fakes import FakeSessionStore, FakeTokens
from infra.ops.console.refusals import Refused
from infra.ops.console.sessions import Sessions
from infra.ops.console.sign_in import SignIn
from infra.ops.console.visits import Rooms
from ingest.source_address import SourceAddresses
from sinks.postgres.operator_tokens import Role
from tests.unit.infra.ops.console.conftest import SUPPORT, TOKEN, no_pool

OTHER_TOKEN = "tso_" + "c" * 43
OTHER = Operator("Bo", Role.SUPPORT, None, "22222222-2222-2222-2222-222222222222")
ADA = Caller(SUPPORT, TOKEN)
NOTHING_LISTENS = "postgresql://x:y@127.0.0.1:1/z"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "DATABASE_URL_OPERATOR": NOTHING_LISTENS,
    "TICKETSTREAM_CONSOLE_KEYS": "k:secret",
    "TICKETSTREAM_CONSOLE_URL": "http://127.0.0.1:1",
    "TICKETSTREAM_LOCAL": "1",
}


@pytest.fixture(scope="module")
def commands() -> Commands:
    return Commands(ENVIRONMENT, most=2, seconds=30)


@pytest.fixture
def patient() -> Iterator[dict[str, str]]:
    """Where PostgreSQL takes connections and says nothing: a command waits 5 s for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield ENVIRONMENT | {"DATABASE_URL_OPERATOR": f"postgresql://x:y@127.0.0.1:{silent.getsockname()[1]}/z"}


def stopped(command: str) -> float:
    return float(console_metrics.COMMANDS.labels(command, "stopped")._value.get())


@pytest.fixture
async def client(commands: Commands) -> AsyncIterator[Any]:
    async with browser(commands) as made:
        yield made


@asynccontextmanager
async def browser(commands: Commands) -> AsyncIterator[Any]:
    sign_in = SignIn(FakeTokens({TOKEN: SUPPORT, OTHER_TOKEN: OTHER}).whose, SourceAddresses())
    rooms = Rooms(Surroundings(Path("/nowhere"), {}), no_pool, commands)
    sessions = Sessions(FakeSessionStore(), sign_in, by_https=False)
    app = console_app(Site(sessions, rooms, False, CommandApi(commands, sign_in).routes(), pages=()))
    server = TestServer(app)
    await server.start_server()  # which cancels a handler whose caller is gone, as ours does
    async with TestClient[web.Request, web.Application](server) as made:
        yield made


def bearer(token: str = TOKEN, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


def children() -> set[int]:
    return {
        one.pid
        for one in psutil.Process().children(recursive=True)
        if one.status() != psutil.STATUS_ZOMBIE
        and "forkserver" in " ".join(one.cmdline())
        and one.parent() != psutil.Process()
    }


async def gone(pids: set[int]) -> None:
    async with asyncio.timeout(15):
        while pids & children():
            await asyncio.sleep(0.05)


def test_the_console_keeps_to_itself_what_is_no_commands_business(commands: Commands) -> None:
    kept = commands._environment
    assert "TICKETSTREAM_CONSOLE_KEYS" not in kept and "TICKETSTREAM_CONSOLE_URL" not in kept
    assert kept["DATABASE_URL_OPERATOR"] == NOTHING_LISTENS
    own = Commands({"PGPASSWORD": "the console's", "PGPASSWORD_OPERATOR": "the operator's"})._environment
    assert own == {"PGPASSWORD": "the operator's"}


async def test_nobody_runs_a_command_without_a_token(client: Any) -> None:
    for headers in ({}, {"Authorization": "Basic abc"}, bearer("tso_" + "z" * 43), bearer("nothing")):
        for path in ("/api/v1/commands/tenant/list", "/api/v1/commands/up"):
            answer = await client.post(path, json={}, headers=headers)
            assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await client.get("/api/v1/commands")).status == 401


async def test_what_goes_wrong_in_a_command_is_told_with_its_cure(client: Any) -> None:
    answer = await client.post("/api/v1/commands/tenant/list", json={}, headers=bearer())
    told = await answer.json()
    assert (answer.status, answer.headers["X-Exit-Code"]) == (409, "1")
    assert "PostgreSQL" in told["error"] and "check that PostgreSQL runs" in told["cure"] and TOKEN not in str(told)
    answer = await client.post("/api/v1/commands/tenant/show", json={}, headers=bearer())
    assert answer.status == 400 and "Missing argument" in (await answer.json())["stderr"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("tenant/erase", {}, 404),
        ("up", {}, 404),
        ("key/list", {}, 404),
        ("tenant", {}, 404),
        ("tenant/list/x", {}, 404),
        ("tenant/list", {"nothing": 1}, 400),
        ("tenant/list", [], 400),
    ],
)
async def test_only_what_is_served_is_run(client: Any, path: str, body: Any, status: int) -> None:
    answer = await client.post(f"/api/v1/commands/{path}", json=body, headers=bearer())
    assert answer.status == status and (await answer.json())["cure"]


async def test_parameters_are_json_and_not_too_large(client: Any) -> None:
    url = "/api/v1/commands/tenant/list"
    assert (await client.post(url, data="{}", headers=bearer())).status == 415
    headers = bearer(**{"Content-Type": "application/json"})
    assert (await client.post(url, data="{", headers=headers)).status == 400
    headers |= {"Content-Length": str(49 * 1024 * 1024)}
    assert (await client.post(url, data=b"", headers=headers, skip_auto_headers=["Content-Length"])).status in (
        400,
        413,
    )


async def test_what_a_command_says_comes_line_by_line(client: Any) -> None:
    lines = bearer(Accept="application/x-ndjson")
    answer = await client.post("/api/v1/commands/tenant/list", json={}, headers=lines)
    assert answer.status == 200 and answer.content_type == "application/x-ndjson"
    found = [await _json(line) async for line in answer.content]
    assert "PostgreSQL" in "".join(one.get("stderr", "") for one in found)
    assert found[-1] == {"exit": 1}


async def _json(line: bytes) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
async def test_a_command_ends_when_its_caller_goes_away(patient: dict[str, str], accept: str) -> None:
    before, counted = children(), stopped("tenant list")
    async with browser(Commands(patient)) as client:
        asking = asyncio.create_task(
            client.post("/api/v1/commands/tenant/list", json={}, headers=bearer(Accept=accept))
        )
        async with asyncio.timeout(30):
            while not children() - before:
                await asyncio.sleep(0.02)
            if accept == "application/json":
                asking.cancel()
            else:
                (await asking).close()
            while stopped("tenant list") == counted:
                await asyncio.sleep(0.02)
        await gone(children() - before)


async def test_a_person_has_half_of_the_places(patient: dict[str, str]) -> None:
    commands, bo = Commands(patient, most=2), Caller(OTHER, OTHER_TOKEN)
    before = children()
    async with commands.under_way("tenant list", {}, ADA):
        with pytest.raises(Refused, match="yours run already") as refused:
            async with commands.under_way("tenant list", {}, ADA):
                pass
        assert (refused.value.status, refused.value.retry_after) == (503, 5)
        async with commands.under_way("tenant list", {}, bo):
            with pytest.raises(Refused):
                async with commands.under_way("tenant list", {}, bo):
                    pass
    await gone(children() - before)
    async with commands.under_way("tenant list", {}, ADA):
        pass


async def test_a_command_that_takes_too_long_is_stopped_and_it_is_said(patient: dict[str, str]) -> None:
    async with Commands(patient, seconds=1).under_way("tenant list", {}, ADA) as under_way:
        said = "".join([one.text async for one in under_way.said() if one])
    assert "longer than the console lets a command take" in said and under_way.ended.exit_code == 130


async def test_the_commands_are_listed_and_described(client: Any) -> None:
    listed = (await (await client.get("/api/v1/commands", headers=bearer())).json())["commands"]
    assert {"command", "help", "role"} == listed[0].keys() and "tenant erase" not in str(listed)
    assert (await (await client.get("/openapi.json")).json())["openapi"] == "3.1.0"
