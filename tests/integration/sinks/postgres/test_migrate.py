"""Migrations: repeatable, safe side by side, possible without a superuser, and never silently different."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from sinks.postgres import migrate as migrating
from sinks.postgres.migrate import MigrationError, migrate, migrations
from sinks.postgres.roles import LOGINS, scram_verifier

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

NAMES = [migration.name for migration in migrations()]


def with_parts(dsn: str, *, database: str, login: str | None = None) -> str:
    parts = urlsplit(dsn)
    netloc = parts.netloc if login is None else f"{login}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(path=f"/{database}", netloc=netloc))


@pytest.fixture
async def empty(postgres: MigratedDatabase) -> AsyncIterator[str]:
    """The superuser's DSN of a new database on the session's server, whose roles are there already."""
    name = f"migrate_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    yield with_parts(postgres.dsn, database=name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


async def test_a_second_run_applies_nothing(empty: str) -> None:
    assert await migrate(empty) == NAMES
    assert await migrate(empty) == []


async def test_of_several_at_once_each_file_is_applied_by_one(empty: str) -> None:
    applied = await asyncio.gather(*(migrate(empty) for _ in range(4)))

    assert sorted(name for names in applied for name in names) == NAMES


async def test_a_migration_that_changed_after_its_release_is_refused(empty: str) -> None:
    await migrate(empty)
    await run(empty, "UPDATE schema_migrations SET checksum = 'other' WHERE number = 2")

    with pytest.raises(MigrationError, match=r"0002_tickets\.sql differs"):
        await migrate(empty)


async def test_a_database_of_a_newer_version_is_left_alone(empty: str) -> None:
    await migrate(empty)
    await run(empty, "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, '9999_next.sql', 'x')")

    with pytest.raises(MigrationError, match=r"newer than this version \(9999_next.sql\)"):
        await migrate(empty)


async def test_a_file_that_fails_leaves_nothing_and_the_next_run_goes_on(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = migrations()
    broken = migrating.Migration(shipped[-1].number + 1, "broken.sql", "CREATE TABLE half (n int); SELECT 1 / 0;")
    monkeypatch.setattr(migrating, "migrations", lambda: [*shipped, broken])
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty)
    monkeypatch.undo()

    assert await migrate(empty) == []
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()


async def test_the_owner_of_the_database_can_migrate_without_being_superuser(postgres: MigratedDatabase) -> None:
    """The roles are there and belong to somebody else, who has to let this migrator act as those that own."""
    name, password = f"m_{uuid4().hex[:8]}", "only for this test"
    await run(
        postgres.dsn,
        f"CREATE ROLE {name} LOGIN CREATEROLE NOSUPERUSER PASSWORD '{password}';"
        f"GRANT ticketstream_owner, ticketstream_directory, ticketstream_search TO {name}",
    )
    await run(postgres.dsn, f"CREATE DATABASE {name} OWNER {name}")
    dsn = with_parts(postgres.dsn, database=name, login=f"{name}:{quote(password)}")

    assert await migrate(dsn) == NAMES
    assert await migrate(dsn) == []

    await run(postgres.dsn, f"DROP DATABASE {name} WITH (FORCE)")
    await run(postgres.dsn, f"DROP ROLE {name}")


async def test_who_may_not_is_told_who_may(empty: str, postgres: MigratedDatabase) -> None:
    ingest = urlsplit(postgres.dsns["ingest"]).netloc.rpartition("@")[0]

    with pytest.raises(MigrationError, match="Migrate as a superuser, or as the owner"):
        await migrate(with_parts(empty, database=urlsplit(empty).path[1:], login=ingest))


async def test_a_password_for_a_role_that_is_none_is_refused(empty: str) -> None:
    with pytest.raises(ValueError, match="no such login role: ticketstream_nobody"):
        await migrate(empty, {"ticketstream_nobody": "x"})


def test_the_stored_verifier_is_that_of_rfc_7677() -> None:
    """The keys for the example exchange of RFC 7677, section 3: user `user`, password `pencil`."""
    from base64 import b64decode

    verifier = scram_verifier("pencil", salt=b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))

    assert verifier == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="
        ":wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_numbers_are_given_once_and_without_a_gap() -> None:
    assert [migration.number for migration in migrations()] == list(range(1, len(NAMES) + 1))
    folder = Path(migrating.__file__).parent / "migrations"
    assert sorted(file.name for file in folder.glob("*.sql")) == NAMES


async def test_no_role_is_more_than_it_needs(postgres: MigratedDatabase) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    rows = await connection.fetch("SELECT * FROM pg_roles WHERE rolname LIKE 'ticketstream\\_%'")
    members = await connection.fetchval(
        "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY($1)",
        list(LOGINS),
    )
    await connection.close()

    rights = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
    assert [(row["rolname"], right) for row in rows for right in rights if row[right]] == []
    assert sorted(row["rolname"] for row in rows if row["rolcanlogin"]) == sorted(LOGINS)
    assert members == 0
