"""Applies the numbered SQL files, each once and in order. Safe to run at every start and by several processes at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import asyncpg

from sinks.postgres.audit_log import PLATFORM
from sinks.postgres.roles import OWNER, RawConnection, admit_no_others, ensure_roles

LOCK = 7_203_541_669_001
LOCK_SECONDS = 120
OLDEST_VERSION = 15
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The database can't be brought to this version. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """The files that ship with this version, by number."""
    folder = files("sinks.postgres") / "migrations"
    found = [(match, entry) for entry in folder.iterdir() if (match := _NAME.fullmatch(entry.name))]
    listed = [Migration(int(match[1]), entry.name, entry.read_text("utf-8")) for match, entry in found]
    return sorted(listed, key=lambda migration: migration.number)


async def migrate(dsn: str, passwords: Mapping[str, str] | None = None, *, who: str = "migrator") -> list[str]:
    """Make the roles, set the passwords given (role -> password), apply what is missing; the names of the files applied, which the
    audit log has, too, with `who` applied them.

    `dsn` is the migrator's: a superuser, or the owner of the database with CREATEROLE. Each file is a transaction of its own, run
    as `ticketstream_owner`. Raises MigrationError, and what asyncpg raises when PostgreSQL is away.
    """
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={"application_name": "ticketstream_migrate"})
    try:
        if connection.get_server_version().major < OLDEST_VERSION:
            raise MigrationError(
                f"PostgreSQL {connection.get_server_version().major}: needs {OLDEST_VERSION} or newer."
            )
        await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await _prepare(connection, passwords or {})
        applied = await _apply_missing(connection, migrations())
        if applied:
            await _note_down(connection, who, applied)
        return applied
    except asyncpg.InsufficientPrivilegeError as error:
        cure = "Migrate as a superuser, or as the owner of the database with CREATEROLE."
        raise MigrationError(f"The migrator may not do this: {error}. {cure}") from error
    finally:
        await connection.close()


async def _prepare(connection: RawConnection, passwords: Mapping[str, str]) -> None:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await ensure_roles(connection, passwords)
    async with connection.transaction():
        if not await connection.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", OWNER):
            await connection.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER} WITH GRANT OPTION")
        await admit_no_others(connection)
        await connection.execute(f"SET LOCAL ROLE {OWNER}")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS public.schema_migrations (number integer PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )


async def _apply_missing(connection: RawConnection, shipped: Sequence[Migration]) -> list[str]:
    async with connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL ROLE {OWNER}")
        rows = await connection.fetch("SELECT number, name, checksum FROM public.schema_migrations ORDER BY number")
    applied = {row["number"]: row for row in rows}
    _check(applied, shipped)
    missing = [migration for migration in shipped if migration.number not in applied]
    for migration in missing:
        await _apply(connection, migration)
    return [migration.name for migration in missing]


def _check(applied: Mapping[int, asyncpg.Record], shipped: Sequence[Migration]) -> None:
    for migration in shipped:
        row = applied.get(migration.number)
        if row is not None and row["checksum"] != migration.checksum:
            raise MigrationError(
                f"{migration.name} differs from what was applied to this database. "
                "A released migration must not change: restore the file and put the change into a new one."
            )
    newest = shipped[-1].number
    if ahead := [row["name"] for number, row in applied.items() if number > newest]:
        raise MigrationError(f"The database is newer than this version ({ahead[-1]}). Upgrade ticketstream.")


async def _apply(connection: RawConnection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {OWNER}")
        await connection.execute("SET LOCAL search_path = public, pg_temp")
        await connection.execute(migration.sql)
        await connection.execute(f"SET LOCAL ROLE {OWNER}")
        await connection.execute(
            "INSERT INTO public.schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )


async def _note_down(connection: RawConnection, who: str, applied: Sequence[str]) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {OWNER}")
        await connection.execute("SELECT set_config('app.current_tenant_id', $1, true)", PLATFORM)
        await connection.execute(
            "INSERT INTO public.audit_log (tenant_id, who, operation, subject, new_value) VALUES ($1, $2, $3, $4, $5)",
            PLATFORM,
            who,
            "database migrate",
            f"{len(applied)} migrations",
            ", ".join(applied),
        )
