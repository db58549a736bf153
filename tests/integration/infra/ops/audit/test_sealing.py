"""The audit log's seals on a real PostgreSQL: what is sealed, what an alteration looks like afterwards, what is dropped."""
# ruff: noqa: S608 - statements are put together from the words of this file only

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import pytest

from infra.ops.audit.logged_seals import EVENT
from infra.ops.audit.sealer import Sealer
from infra.ops.audit.verification import Chain, Problem, verify
from infra.runtime.clock import SystemClock
from infra.runtime.keys.audit_seal import Seal
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_log import Audited, AuditLog
from sinks.postgres.audit_seals import AuditSeals
from sinks.postgres.service_keys import ServiceKeys

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase, PostgresServer

NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
HOUR = timedelta(hours=1)
PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class World:
    """A database of its own, whose superuser may do what nobody should."""

    database: MigratedDatabase
    root: Any
    sealer_pool: Pool
    operator: Pool
    key: SigningKey

    @property
    def seals(self) -> AuditSeals:
        return AuditSeals(self.sealer_pool)

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.seals, ServiceKeys(self.sealer_pool), self.key, SystemClock())

    async def entry(self, tenant: str, at: datetime, what: str = "tenant set") -> None:
        await self.root.execute(
            "INSERT INTO audit_log (tenant_id, at, who, operation, reason) VALUES ($1, $2, 'pat', $3, 'ticket 4711')",
            tenant,
            at,
            what,
        )

    async def problems(self, tenant: str, logged: dict[datetime, bytes] | None = None) -> list[Problem]:
        keys, seals = await ServiceKeys(self.operator).load(), AuditSeals(self.operator)
        chain = Chain(tenant, await seals.seals(tenant), await seals.hours(tenant), logged or {})
        return verify(chain, keys, datetime.now(UTC))

    async def altered(self, statement: str, *arguments: Any) -> None:
        """As somebody with all rights would."""
        done = await self.root.execute(statement, *arguments)
        assert not done.endswith(" 0"), "nothing was altered"


@pytest.fixture(scope="module")
async def world(postgres_server: PostgresServer) -> AsyncIterator[World]:
    database = await postgres_server.migrated("audit_seals")
    async with AsyncExitStack() as stack:
        root = await asyncpg.connect(database.dsn)
        stack.push_async_callback(root.close)
        sealer = await open_pool(database.dsns["sealer"], service="sealer", size=2)
        stack.push_async_callback(sealer.close)
        operator = await open_pool(database.dsns["operator"], service="operator", size=2)
        stack.push_async_callback(operator.close)
        key = SigningKey.create("sealer")
        await ServiceKeys(operator).publish(key)
        yield World(database, root, sealer, operator, key)


@pytest.fixture
async def tenant(world: World) -> str:
    """Three sealed hours with entries, and one that isn't over."""
    name = f"audited-{uuid4().hex[:8]}"
    for hours in (5, 3, 2, 0):
        for minutes in (1, 30):
            await world.entry(name, THIS_HOUR - hours * HOUR + timedelta(minutes=minutes))
    await world.sealer.round()
    return name


async def test_closed_hours_are_sealed_in_their_order_each_linked_to_the_one_before(world: World, tenant: str) -> None:
    seals = await world.seals.seals(tenant)

    assert [seal.hour for seal in seals] == [THIS_HOUR - hours * HOUR for hours in (5, 3, 2)]
    assert [seal.entries for seal in seals] == [2, 2, 2]
    assert [seal.previous for seal in seals] == [bytes(32), seals[0].digest, seals[1].digest]
    assert await world.problems(tenant) == []
    assert [found for found in await world.seals.hours_to_seal() if found[0] == tenant] == []


def _change(column: str) -> tuple[str, str]:
    return f"UPDATE audit_log SET {column} = 'x' WHERE tenant_id = $1 AND at < $2", "the entries were changed"


TEXTS = ("who", "role", "operation", "subject", "old_value", "new_value", "reason", "consent")
ALTERATIONS: dict[str, tuple[str, str]] = {
    **{column: _change(column) for column in TEXTS},
    "time": ("UPDATE audit_log SET at = at + interval '1 second' WHERE tenant_id = $1 AND at < $2", "the entries were changed"),
    "one entry deleted": (
        "DELETE FROM audit_log WHERE tenant_id = $1 AND at = (SELECT min(at) FROM audit_log WHERE tenant_id = $1 AND at < $2)",
        "the entries were changed: 1 are there, 2 were sealed",
    ),
    "an hour's entries deleted": ("DELETE FROM audit_log WHERE tenant_id = $1 AND at < $2", "all 2 entries are gone"),
    "a seal deleted": ("DELETE FROM audit_seals WHERE tenant_id = $1 AND hour < $2", "the seals before this one are gone"),
    "a seal in the middle deleted": (
        "DELETE FROM audit_seals WHERE tenant_id = $1 AND hour >= $2 AND hour < $2 + interval '1 hour' * 2",
        "the seal doesn't link to the one before",
    ),
    "a seal's hash": (
        "UPDATE audit_seals SET entries_hash = sha256('x') WHERE tenant_id = $1 AND hour < $2", "the seal's signature is wrong",
    ),
    "a late entry": (
        "INSERT INTO audit_log (tenant_id, at, who, operation) VALUES ($1, $2::timestamptz - interval '1 minute', 'x', 'x')",
        "the entries were changed: 3 are there, 2 were sealed",
    ),
    "an entry in an empty hour": (
        "INSERT INTO audit_log (tenant_id, at, who, operation) VALUES ($1, $2::timestamptz + interval '1 minute', 'x', 'x')",
        "entries in an hour that had none when it was sealed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERATIONS)
async def test_whatever_is_altered_behind_the_services_backs_shows(world: World, tenant: str, name: str) -> None:
    statement, told = ALTERATIONS[name]
    await world.altered(statement, tenant, THIS_HOUR - 4 * HOUR)

    assert any(problem.what.startswith(told) for problem in await world.problems(tenant))


async def test_a_chain_forged_with_another_key_shows(world: World, tenant: str) -> None:
    forger, previous = SigningKey.create("sealer"), bytes(32)
    for seal in await world.seals.seals(tenant):
        unsigned = replace(seal, previous=previous, key_id=forger.key_id)
        forged = replace(unsigned, signature=forger.sign(unsigned.message))
        await world.altered(
            "UPDATE audit_seals SET previous = $3, key_id = $4, signature = $5 WHERE tenant_id = $1 AND hour = $2",
            tenant, seal.hour, forged.previous, forged.key_id, forged.signature,
        )  # fmt: skip
        previous = forged.digest

    assert {problem.what.partition(",")[0] for problem in await world.problems(tenant)} == {
        f"the seal is signed with {forger.key_id}"
    }


async def test_the_newest_hours_cut_off_with_their_seals_are_missed_by_the_sealers_log(
    world: World, tenant: str
) -> None:
    logged = {seal.hour: seal.digest for seal in await world.seals.seals(tenant)}
    for table, column in (("audit_seals", "hour"), ("audit_log", "at")):
        await world.altered(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND {column} >= $2", tenant, THIS_HOUR - 2 * HOUR
        )

    assert await world.problems(tenant) == []
    assert [problem.what for problem in await world.problems(tenant, logged)] == ["the seal that was logged is gone"]


async def test_an_hour_that_nobody_sealed_shows_an_hour_later(world: World) -> None:
    name = f"audited-{uuid4().hex[:8]}"
    await world.entry(name, THIS_HOUR - 3 * HOUR)
    await world.entry(name, THIS_HOUR - timedelta(seconds=1))
    wrong = await world.problems(name)

    await world.sealer.round()
    assert [problem.what for problem in wrong][:1] == ["not sealed: does the sealer run?"]
    assert await world.problems(name) == []


async def test_two_sealers_at_once_make_one_chain(world: World) -> None:
    name = f"audited-{uuid4().hex[:8]}"
    for hours in range(2, 10):
        await world.entry(name, THIS_HOUR - hours * HOUR)
    await asyncio.gather(world.sealer.round(), world.sealer.round())

    assert len(await world.seals.seals(name)) == 8
    assert await world.problems(name) == []


async def test_after_90_days_whole_sealed_hours_go_and_the_chain_still_holds(world: World) -> None:
    name = f"audited-{uuid4().hex[:8]}"
    old = [THIS_HOUR - timedelta(days=days) for days in (92, 91, 89)]
    for at in old:
        await world.entry(name, at)
    assert await world.seals.drop_old(name) == []  # not sealed yet
    await world.sealer.round()
    await world.sealer.verify_and_drop()

    assert [hour.hour for hour in await world.seals.hours(name)] == [old[2]]
    assert len(await world.seals.seals(name)) == 3
    assert await world.problems(name) == []


async def test_where_something_was_altered_old_entries_stay_as_evidence(world: World) -> None:
    name = f"audited-{uuid4().hex[:8]}"
    for days in (95, 94):
        await world.entry(name, THIS_HOUR - timedelta(days=days))
    await world.sealer.round()
    await world.altered(
        "UPDATE audit_log SET who = 'x' WHERE tenant_id = $1 AND at < $2", name, THIS_HOUR - timedelta(days=94.5)
    )
    assert await world.sealer.verify_and_drop() >= 1

    assert len(await world.seals.hours(name)) == 2


async def test_a_service_can_neither_backdate_an_entry_nor_write_under_anothers_login(
    world: World, tenant: str
) -> None:
    for column, value in (("at", "now() - interval '2 hours'"), ("database_role", "'ticketstream_ingest'")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_transaction(world.operator, tenant) as connected:
                await connected.execute(
                    f"INSERT INTO audit_log (tenant_id, who, operation, {column}) VALUES ($1, 'x', 'x', {value})",
                    tenant,
                )
    await AuditLog(world.operator).write(Audited(tenant, "pat", "tenant show", role="support"))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit_log",
        "UPDATE audit_log SET who = 'x'",
        "INSERT INTO audit_log (tenant_id, who, operation) VALUES ('x', 'x', 'x')",
        "DELETE FROM audit_seals",
        "UPDATE audit_seals SET entries = 1",
        "SELECT * FROM tickets",
        "SELECT * FROM tenant_configs",
    ],
)
async def test_the_sealer_may_only_read_and_seal(world: World, tenant: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with tenant_transaction(world.sealer_pool, tenant) as connected:
            await connected.execute(statement)


Command = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def ticketstream(world: World, tmp_path: Path) -> Command:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL_OPERATOR": world.database.dsns["operator"],
        "TICKETSTREAM_STATE_DIR": str(tmp_path / "no-stack"),
    }

    async def run(*words: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode or 0, out.decode(), err.decode()

    return run


async def test_the_command_finds_entries_and_proves_that_they_are_whole(
    world: World, tenant: str, ticketstream: Command
) -> None:
    await world.entry(tenant, THIS_HOUR + timedelta(minutes=2), "tenant replace-credential")
    code, out, _ = await ticketstream(
        "audit", "--tenant", tenant, "--operation", "tenant replace-credential", "--text", "4711", "--json"
    )
    entries = json.loads(out)["entries"]
    assert code == 0
    assert [(entry["who"], entry["operation"], entry["reason"]) for entry in entries] == [
        ("pat", "tenant replace-credential", "ticket 4711")
    ]

    code, out, _ = await ticketstream("audit", "--tenant", tenant, "--verify", "--json")
    verified = json.loads(out)
    assert (code, verified["ok"], verified["hours"], verified["entries"], verified["unsealed"]) == (0, True, 3, 6, 3)

    await world.altered("UPDATE audit_log SET who = 'x' WHERE tenant_id = $1 AND at < $2", tenant, THIS_HOUR - 4 * HOUR)
    code, out, _ = await ticketstream("audit", "--tenant", tenant, "--verify")
    assert code == 1
    assert "the entries were changed" in out
    code, _, err = await ticketstream("audit", "--tenant", "nobody", "--verify")
    assert (code, "nothing is noted down" in err) == (2, True)


async def test_the_process_seals_logs_its_seals_and_the_command_reads_that_log(
    world: World, tmp_path: Path, ticketstream: Command
) -> None:
    name, file, log = f"audited-{uuid4().hex[:8]}", tmp_path / "sealer.pem", tmp_path / "sealer.log"
    world.key.save(file)
    await world.entry(name, THIS_HOUR - 2 * HOUR)
    settings = {
        "DATABASE_URL_SEALER": world.database.dsns["sealer"],
        "TICKETSTREAM_SIGNING_KEY_FILE": str(file),
        "TICKETSTREAM_AUDIT_ROUND_SECONDS": "1",
    }
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.ops.audit", stderr=out, env={"PATH": os.environ["PATH"], **settings}
        )
        async with asyncio.timeout(30):
            while not await world.seals.seals(name) or EVENT.encode() not in log.read_bytes():
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    seal: Seal = (await world.seals.seals(name))[0]
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [line["seal"] for line in lines if line["event"] == EVENT and line["tenant_id"] == name] == [
        seal.digest.hex()
    ]

    assert (await ticketstream("audit", "--tenant", name, "--verify", "--seals", str(log)))[0] == 0
    await world.altered("DELETE FROM audit_seals WHERE tenant_id = $1", name)
    await world.altered("DELETE FROM audit_log WHERE tenant_id = $1", name)
    code, out_text, _ = await ticketstream("audit", "--tenant", name, "--verify", "--seals", str(log))
    assert (code, "the seal that was logged is gone" in out_text) == (1, True)
