"""Tokens of the persons who use the command line and the console: 256 random bits, shown once, kept as a hash.

They belong to no tenant; what becomes of them is audited under PLATFORM.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, connection, tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, PLATFORM, Audited, Change

PREFIX = "tso_"
MAX_TOKEN_CHARACTERS = 200
DEFAULT_DAYS = 90
MOST_DAYS = 365

_LOCK = 7_203_541_669_002
_COLUMNS = (
    "token_id::text AS token_id, person, role, tenants, created_at, created_by, expires_at, revoked_at, last_used_at, "
    "refused"
)
_VALID_ENGINEER = "role = 'engineer' AND revoked_at IS NULL AND expires_at > now()"


class Role(StrEnum):
    """Engineers may all that support may."""

    SUPPORT = "support"
    ENGINEER = "engineer"


class NotTheFirst(PermissionError):
    """A valid engineer's token exists, so whoever has none may not make one."""


@dataclass(frozen=True, slots=True)
class NewOperatorToken:
    """`tenants` None stands for all."""

    person: str
    role: Role
    tenants: frozenset[str] | None
    days: int = DEFAULT_DAYS


@dataclass(frozen=True, slots=True)
class OperatorToken:
    """What may be shown of a token: never the token."""

    token_id: str
    person: str
    role: Role
    tenants: frozenset[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    refused: int


@dataclass(frozen=True, slots=True)
class FoundToken:
    """Whose token it is; not `valid` where it has ended."""

    token_id: str
    person: str
    role: Role
    tenants: frozenset[str] | None
    expires_at: datetime
    revoked_at: datetime | None
    valid: bool


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


class OperatorTokens:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, token: str) -> FoundToken | None:
        """None for one that is unknown. Looked up by its hash, so that no comparison tells how much of it was right."""
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN_CHARACTERS:
            return None
        async with connection(self._pool) as connected:
            row = await connected.fetchrow("SELECT * FROM operator_token($1)", _hash(token))
        if row is None:
            return None
        return FoundToken(
            str(row["token_id"]), row["person"], Role(row["role"]), _tenants(row["tenants"]), row["expires_at"], row["revoked_at"],
            row["valid"],
        )  # fmt: skip

    async def create(self, new: NewOperatorToken, change: Change, *, first: bool = False) -> tuple[str, OperatorToken]:
        """The token, which can't be shown again, and what is known of it. With `first` only while no valid engineer's token exists:
        raises NotTheFirst else."""
        token = new_token()
        async with tenant_transaction(self._pool, PLATFORM) as connected:
            if first:
                await connected.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)  # two firsts at once: one of them
                if await _engineers(connected):
                    raise NotTheFirst("there is a valid engineer's token")
            kept = await _insert(connected, token, new, change.who)
            what = _described(kept) + (", the first engineer's" if first else "")
            await audit_log.write(connected, change.entry(PLATFORM, "token create", _subject(kept), None, what))
        return token, kept

    async def keep(self, token: str, new: NewOperatorToken, change: Change) -> bool:
        """Make this very token valid, if nobody ended it: whether it is valid now. For a stack that makes its own."""
        async with tenant_transaction(self._pool, PLATFORM) as connected:
            row = await connected.fetchrow(
                "SELECT valid, expires_at > now() + interval '30 days' AS lasts FROM operator_token($1)", _hash(token)
            )
            if row is not None:
                return bool(row["valid"] and row["lasts"])
            kept = await _insert(connected, token, new, change.who)
            await audit_log.write(
                connected, change.entry(PLATFORM, "token create", _subject(kept), None, _described(kept))
            )
        return True

    async def has_engineer(self) -> bool:
        """Whether a valid engineer's token exists."""
        async with connection(self._pool) as connected:
            return await _engineers(connected) > 0

    async def all(self) -> list[OperatorToken]:
        """All, also those that have ended, by person."""
        async with connection(self._pool) as connected:
            rows = await connected.fetch(f"SELECT {_COLUMNS} FROM operator_tokens ORDER BY person, created_at DESC")  # noqa: S608 - a constant
        return [_token(row) for row in rows]

    async def revoke(self, change: Change, *, token_id: str | None = None, person: str | None = None) -> list[str]:
        """End a token, or all of a person's. The ids of those that were valid or had expired; empty where there is none."""
        async with tenant_transaction(self._pool, PLATFORM) as connected:
            rows = await connected.fetch(
                f"""UPDATE operator_tokens SET revoked_at = now()
                    WHERE revoked_at IS NULL AND ($1::text IS NULL OR token_id::text = $1) AND ($2::text IS NULL OR person = $2)
                        AND NOT ($1::text IS NULL AND $2::text IS NULL)
                    RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
                token_id, person,
            )  # fmt: skip
            ended = [_token(row) for row in rows]
            for one in ended:
                entry = change.entry(PLATFORM, "token revoke", _subject(one), _described(one))
                await audit_log.write(connected, entry)
        return [one.token_id for one in ended]

    async def refused(self, entry: Audited, token_id: str | None) -> None:
        """Count and audit that somebody was refused."""
        async with tenant_transaction(self._pool, entry.tenant_id) as connected:
            if token_id is not None:
                await connected.execute("SELECT count_operator_refused($1::text::uuid)", token_id)
            await audit_log.write(connected, entry)


async def _insert(connected: Connection, token: str, new: NewOperatorToken, who: str) -> OperatorToken:
    row = await connected.fetchrow(
        f"""INSERT INTO operator_tokens (token_hash, person, role, tenants, created_by, expires_at)
            VALUES ($1, $2, $3, $4, $5, now() + $6) RETURNING {_COLUMNS}""",  # noqa: S608 - a constant
        _hash(token), new.person, new.role.value, sorted(new.tenants) if new.tenants is not None else None, who,
        timedelta(days=new.days),
    )  # fmt: skip
    assert row is not None  # noqa: S101 - RETURNING
    return _token(row)


async def _engineers(connected: Connection) -> int:
    return int(await connected.fetchval(f"SELECT count(*) FROM operator_tokens WHERE {_VALID_ENGINEER}"))  # noqa: S608 - a constant


def _token(row: asyncpg.Record) -> OperatorToken:
    return OperatorToken(**{**row, "role": Role(row["role"]), "tenants": _tenants(row["tenants"])})


def _tenants(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _subject(token: OperatorToken) -> str:
    return f"{token.person}, {token.token_id}"


def _described(token: OperatorToken) -> str:
    whose = "all tenants" if token.tenants is None else ", ".join(sorted(token.tenants))
    return f"{token.role.value} for {whose} until {token.expires_at:%Y-%m-%d}, {MASKED}"


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
