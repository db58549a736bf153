"""The two ways to a tenant's rows: a transaction that says whose rows it is about, for row-level security to enforce, or a call of
a database function that says so itself and is a transaction of its own.

The setting is local to the transaction, so a connection that goes back to the pool remembers no tenant; afterwards it reads as
an empty text, which the policies treat like none at all.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import lru_cache

import asyncpg

from infra.runtime.postgres import metrics
from infra.runtime.postgres.availability import (
    AWAY_WHEN_CONNECTING,
    UNAVAILABLE,
    PostgresUnavailable,
    unavailable_as_such,
)
from infra.runtime.postgres.pool import Connection, Pool
from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.isolation import Kind, violation

__all__ = [
    "UNAVAILABLE",
    "Connection",
    "PostgresUnavailable",
    "connection",
    "database_span",
    "tenant_call",
    "tenant_transaction",
]

TENANT_SETTING = "app.current_tenant_id"
_BROKEN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_POLICY_CHECK = "ExecWithCheckOptions"
_FUNCTION = re.compile(r"(\w+)\(\$1\b")
_POSTGRESQL = {"db.system.name": "postgresql"}
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


@asynccontextmanager
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for what belongs to no tenant, without a transaction. Waits at most 10 s for a free one."""
    acquired = await _acquired(pool)
    try:
        with unavailable_as_such():
            yield acquired
    except BaseException as error:
        _tell_of(error, "")
        await _released(pool, acquired)
        raise
    await _given_back(pool, acquired)


@asynccontextmanager
async def tenant_transaction(pool: Pool, tenant_id: str) -> AsyncIterator[Connection]:
    """A transaction that sees and writes the rows of `tenant_id` only. Commits when the block ends, rolls back when it raises.

    Database calls only inside: nothing that waits for anything else belongs into an open transaction, nor does another one.
    """
    if not tenant_id:
        raise ValueError("a tenant transaction needs a tenant id")
    acquired = await _acquired(pool)
    try:  # all in one generator: this is what stages spend most of their time on
        with database_span("transaction"), unavailable_as_such():
            try:
                await _begin(acquired, tenant_id)
                yield acquired
            except BaseException:
                if not acquired.is_closed():
                    await acquired.execute("ROLLBACK")
                raise
            await acquired.execute("COMMIT")
    except BaseException as error:
        _tell_of(error, tenant_id)
        await _released(pool, acquired)
        raise
    await _given_back(pool, acquired)


async def tenant_call(pool: Pool, statement: str, tenant_id: str, *arguments: object) -> list[asyncpg.Record]:
    """The rows of one statement that is a transaction of its own, in one round trip instead of three or more.

    It calls a function of ours with `tenant_id` as $1 and `arguments` from $2 on, which takes the tenant before it does anything
    (see the migration 0014): `SELECT * FROM some_function($1, $2)`. Any other statement sees no tenant's rows."""
    if not tenant_id:
        raise ValueError("a call for a tenant needs a tenant id")
    with database_span(_named(statement)):
        return await _called(pool, statement, tenant_id, *arguments)


async def _called(pool: Pool, statement: str, tenant_id: str, *arguments: object) -> list[asyncpg.Record]:
    acquired = await _acquired(pool)
    try:
        with unavailable_as_such():
            rows = await acquired.fetch(statement, tenant_id, *arguments)
    except BaseException as error:
        _tell_of(error, tenant_id)
        await _released(pool, acquired)
        raise
    await _given_back(pool, acquired)
    return rows


def database_span(name: str) -> tracing.Span:
    """By OpenTelemetry's semantic conventions for databases; without the statement, let alone its values."""
    return tracing.span(name, tracing.Kind.CLIENT, _POSTGRESQL)


@lru_cache(256)
def _named(statement: str) -> str:
    """What a statement's span is called: SELECT and the functions of ours that it calls, each once. No values stand in it."""
    return " ".join(["SELECT", *dict.fromkeys(_FUNCTION.findall(statement))])


def _tell_of(error: BaseException, tenant_id: str) -> None:
    """PostgreSQL's absences are counted. A policy stops what would have become another tenant's row, which only a statement of ours
    can have tried. The error's code is that of a missing right (42501), and its text may be in another language, so the server's
    function tells it apart."""
    if isinstance(error, UNAVAILABLE):
        metrics.ERRORS.inc()
    if isinstance(error, asyncpg.InsufficientPrivilegeError) and error.server_source_function == _POLICY_CHECK:
        violation(Kind.REFUSED_WRITE, tenant_id, refusal=error)


async def _acquired(pool: Pool) -> Connection:
    try:
        return await pool.borrow()
    except AWAY_WHEN_CONNECTING as error:
        metrics.ERRORS.inc()
        raise PostgresUnavailable(f"no connection to PostgreSQL: {type(error).__name__} {error}") from error


async def _given_back(pool: Pool, unharmed: Connection) -> None:
    with suppress(*_BROKEN):
        await pool.give_back(unharmed)


async def _released(pool: Pool, acquired: Connection) -> None:
    """A connection that breaks while it is given back is the pool's to replace; whether the transaction was committed is known by
    then."""
    with suppress(*_BROKEN):
        await pool.release(acquired)


async def _begin(connection: Connection, tenant_id: str) -> None:
    """In one message where the id needs no quoting, as those of all tenants do not: round trips are most of what a transaction
    costs."""
    if _PLAIN.fullmatch(tenant_id):
        await connection.execute(f"BEGIN; SET LOCAL {TENANT_SETTING} = '{tenant_id}'")
        return
    await connection.execute("BEGIN")
    await connection.execute("SELECT set_config($1, $2, true)", TENANT_SETTING, tenant_id)
