"""Sessions on a real PostgreSQL, under the console's own role, and what somebody may do in one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.ops.cli.operators import NotAllowed, operator_of
from infra.ops.cli.surroundings import Surroundings
from infra.ops.console.commands.runner import Commands
from infra.ops.console.sessions import Session
from infra.ops.console.visits import Rooms, Visit
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_log import PLATFORM, Change
from sinks.postgres.console_sessions import MOST_OF_A_TOKEN, ConsoleSessions
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.operator_tokens import NewOperatorToken, OperatorTokens, Role
from sinks.postgres.tenants import NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.conftest import PostgresServer

OWN, OTHER = "msp-own", "msp-other"
RING = KeyRing.parse(new_ring_key("k"), variable="TEST")


@dataclass(frozen=True, slots=True)
class Cell:
    """`pool` has the console's role, `operator` the operator's."""

    dsn: str
    pool: Pool
    operator: Pool

    async def person(self, *tenants: str) -> tuple[str, str]:
        """A new support person's token and its id."""
        new = NewOperatorToken("Sam", Role.SUPPORT, frozenset(tenants) or None)
        token, kept = await OperatorTokens(self.operator).create(new, Change("test"))
        return token, kept.token_id

    async def visit(self, token: str) -> Visit:
        ring = new_ring_key("k")
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL_OPERATOR": self.dsn,
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "TICKETSTREAM_PUBLIC_URL": "https://tickets.example.com",
        }
        rings = {"TICKETSTREAM_WEBHOOK_KEYS": ring, "TICKETSTREAM_CREDENTIAL_KEYS": ring}
        rooms = Rooms(Surroundings(Path("/nowhere"), {}), lambda: self.pool, Commands(environment | rings))
        return Visit(Session("s" * 43, await operator_of(self.pool, token), token), rooms, "/tenants/{tenant}")

    async def refused(self, tenant_id: str) -> list[tuple[str, str]]:
        async with tenant_transaction(self.operator, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT who, subject FROM audit_log WHERE operation = 'refused' ORDER BY audit_id"
            )
        return [(row["who"], row["subject"]) for row in rows]


@pytest.fixture(scope="module")
async def cell(postgres_server: PostgresServer) -> AsyncIterator[Cell]:
    database = await postgres_server.migrated("console")
    operator = await open_pool(database.dsns["operator"], service="operator", size=2)
    pool = await open_pool(database.dsns["console"], service="console", size=2)
    for tenant_id in (OWN, OTHER):
        await TenantStore(operator).create(
            NewTenant(tenant_id, "https://desk.example.com", "key"),
            partitions=64,
            secrets=WebhookSecrets(operator, RING),
            credentials=DeskCredentials(operator, RING),
            change=Change("test"),
        )
    yield Cell(database.dsns["operator"], pool, operator)
    await pool.close()
    await operator.close()


async def test_a_session_is_found_until_it_ends_and_neither_id_nor_token_is_kept(cell: Cell) -> None:
    token, token_id = await cell.person()
    sessions = ConsoleSessions(lambda: cell.pool, RING)
    session_id = await sessions.begin(token, token_id)
    found = await sessions.find(session_id)
    assert found is not None and found.token == token and found.expires_at - found.made_at == timedelta(hours=8)
    async with cell.pool.acquire() as connection:
        kept = str(await connection.fetch("SELECT * FROM console_sessions"))
    assert session_id not in kept and token not in kept
    assert await sessions.find("x" * 43) is None and await sessions.find("") is None
    await sessions.end(session_id)
    assert await sessions.find(session_id) is None


async def test_a_session_ends_when_nobody_uses_it_and_after_its_whole_time(cell: Cell) -> None:
    token, token_id = await cell.person()
    for short in (
        ConsoleSessions(lambda: cell.pool, RING, idle=timedelta(0)),
        ConsoleSessions(lambda: cell.pool, RING, whole=timedelta(0)),
    ):
        assert await short.find(await short.begin(token, token_id)) is None


async def test_a_token_that_is_copied_to_another_row_or_sealed_elsewhere_opens_nothing(cell: Cell) -> None:
    sessions = ConsoleSessions(lambda: cell.pool, RING)
    session_id = await sessions.begin(*await cell.person())
    another = ConsoleSessions(lambda: cell.pool, KeyRing.parse(new_ring_key("k"), variable="TEST"))
    assert await another.find(session_id) is None and await sessions.find(session_id) is not None
    async with cell.pool.acquire() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE console_sessions SET sealed_token = 'x'")


async def test_a_token_has_only_so_many_sessions(cell: Cell) -> None:
    token, token_id = await cell.person()
    sessions = ConsoleSessions(lambda: cell.pool, RING)
    begun = [await sessions.begin(token, token_id) for _ in range(MOST_OF_A_TOKEN + 1)]
    found = [await sessions.find(one) is not None for one in begun]
    assert found == [False] + [True] * MOST_OF_A_TOKEN


async def test_in_a_session_nobody_does_more_than_on_the_command_line(cell: Cell) -> None:
    token, _ = await cell.person(OWN)
    visit = await cell.visit(token)
    async with visit.acting(OWN, command="tenant show") as at_work:
        assert at_work.operator.name == "Sam"
    with pytest.raises(NotAllowed):
        async with visit.acting(OTHER, command="tenant show"):
            pass
    with pytest.raises(NotAllowed):
        async with visit.acting(OTHER):
            pass
    shown = await visit.run("tenant show", {"tenant_id": OWN})
    assert shown.done and shown.object is not None and shown.object["tenant_id"] == OWN, shown
    for command, parameters in (
        ("tenant show", {"tenant_id": OTHER}),
        ("tenant disable", {"tenant_id": OTHER}),
    ):
        result = await visit.run(command, parameters)
        assert result.refused and result.exit_code == 1 and OTHER in result.what
    assert await cell.refused(OTHER) == [
        ("Sam", "tenant show"), ("Sam", "console /tenants/{tenant}"), ("Sam", "tenant show"), ("Sam", "tenant disable"),
    ]  # fmt: skip
    for_engineers: tuple[tuple[str, dict[str, Any]], ...] = (
        ("tenant set", {"tenant_id": OWN, "settings": ["max_concurrent_jobs=9"]}),
        ("token create", {"person": "X", "role": "engineer", "tenant": [OWN]}),
    )
    for command, given in for_engineers:
        assert (await visit.run(command, given)).refused
    assert ("Sam", "tenant set") in await cell.refused(PLATFORM)
