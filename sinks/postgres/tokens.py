"""Bearer tokens of the API: 256 random bits, shown once, kept as a hash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import Audited, Change

PREFIX = "tst_"
SCOPES = ("feedback:write", "feedback:read")
MAX_TOKEN_CHARACTERS = 200
MOST_NAMED, MOST_WHERE = 64, 300
"""Characters of what a caller said that the audit log keeps."""


class UnknownScope(ValueError):
    """There is no such scope; the text names those there are."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is valid now."""

    token_id: str
    tenant_id: str
    scopes: frozenset[str]


class ValidToken(Protocol):
    """As much of a token as an entry in the audit log tells."""

    @property
    def token_id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class TokenRow:
    """What may be shown of a token: never the token."""

    token_id: str
    tenant_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """As the edges noted it, up to half a minute late."""


@dataclass(frozen=True, slots=True)
class TokenUse:
    """When a token was last used at one edge."""

    tenant_id: str
    token_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NewToken:
    tenant_id: str
    scopes: tuple[str, ...]
    name: str = ""
    expires_at: datetime | None = None


class ApiTokens:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, new: NewToken, change: Change) -> tuple[str, str]:
        """The token, which can't be shown again, and its id. Raises UnknownScope, and ForeignKeyViolationError of asyncpg where
        there is no such tenant."""
        if not new.scopes or set(new.scopes) - set(SCOPES):
            raise UnknownScope(f"scopes are {' and '.join(SCOPES)}")
        token = PREFIX + secrets.token_urlsafe(32)
        async with tenant_transaction(self._pool, new.tenant_id) as connected:
            token_id = await connected.fetchval(
                """INSERT INTO api_tokens (tenant_id, token_hash, name, scopes, expires_at, created_by)
                   VALUES ($1, $2, $3, $4, $5, $6) RETURNING token_id::text""",
                new.tenant_id, _hash(token), new.name, list(new.scopes), new.expires_at, change.who,
            )  # fmt: skip
            entry = change.entry(new.tenant_id, "token create", str(token_id), None, " ".join(new.scopes))
            await audit_log.write(connected, entry)
        return token, str(token_id)

    async def check(self, token: str) -> Token | None:
        """None for unknown, expired and revoked tokens. Looked up by hash, so no comparison leaks how much of it was right."""
        if not token.startswith(PREFIX) or len(token) > MAX_TOKEN_CHARACTERS:
            return None
        async with connection(self._pool) as connected:
            row = await connected.fetchrow(
                "SELECT tenant_id, token_id::text AS token_id, scopes FROM api_token($1)", _hash(token)
            )
        return Token(row["token_id"], row["tenant_id"], frozenset(row["scopes"])) if row else None

    async def list(self, tenant_id: str) -> list[TokenRow]:
        """A tenant's tokens, the newest first."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            rows = await connected.fetch(
                """SELECT token_id::text AS token_id, tenant_id, name, scopes, created_at, created_by, expires_at, revoked_at,
                       last_used_at
                   FROM api_tokens WHERE tenant_id = $1 ORDER BY created_at DESC""",
                tenant_id,
            )
        return [TokenRow(**{**row, "scopes": tuple(row["scopes"])}) for row in rows]

    async def revoke(self, tenant_id: str, token_id: str, change: Change) -> bool:
        """Whether the tenant has such a token. Valid nowhere within 5 s."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            found = await connected.fetchval(
                """UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now())
                   WHERE tenant_id = $1 AND token_id::text = $2 RETURNING token_id""",
                tenant_id, token_id,
            )  # fmt: skip
            if found is not None:
                await audit_log.write(connected, change.entry(tenant_id, "token revoke", token_id))
        return found is not None

    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        """All in one statement; those of tokens that are gone are passed over."""
        async with connection(self._pool) as connected:
            await connected.execute(
                "SELECT note_token_uses($1, $2, $3)",
                [use.tenant_id for use in uses],
                [UUID(use.token_id) for use in uses],
                [use.at for use in uses],
            )

    async def used_for_another(self, token: ValidToken, named: str, where: str) -> None:
        """Audit, under the token's tenant, that it was used for another one. The name is what the caller said: anything."""
        who, said = f"token {token.token_id}", f"for tenant {named[:MOST_NAMED]!a}"
        entry = Audited(token.tenant_id, who, "refused", where[:MOST_WHERE], None, said)
        async with tenant_transaction(self._pool, token.tenant_id) as connected:
            await audit_log.write(connected, entry)


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
