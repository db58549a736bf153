"""Access tokens of cloud desks, encrypted, for all processes that speak to desks: one fetches, the others take what it brought."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from infra.runtime.keys.rings import KeyRing, KeyRingError
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_call
from infra.runtime.telemetry.logs import get_logger
from schemas.reasons import Reason
from sinks.servicedesk.access_tokens import (
    FETCH_SECONDS,
    TOKENS_PER_WINDOW,
    WINDOW,
    Busy,
    Fetch,
    Kept,
    Taken,
    TokenOf,
    fingerprint,
    refused_seconds,
    spent,
)
from sinks.servicedesk.types import Refused

log = get_logger(__name__)

COLUMN = "desk_access_token"


@dataclass(frozen=True, slots=True)
class Steps:
    """The database's functions for the three steps."""

    take: str
    keep: str
    refuse: str


OF_ALL = Steps(
    "SELECT * FROM take_desk_token($1, $2, $3, $4, $5, $6, $7)",
    "SELECT keep_desk_token($1, $2, $3, $4, $5, $6)",
    "SELECT refuse_desk_token($1, $2, $3, $4, $5, $6)",
)
"""For those who speak to every tenant's desk."""
OF_BEARER_TENANTS = Steps(
    "SELECT * FROM take_fetch_token($1, $2, $3, $4, $5, $6, $7)",
    "SELECT keep_fetch_token($1, $2, $3, $4, $5, $6)",
    "SELECT refuse_fetch_token($1, $2, $3, $4, $5, $6)",
)
"""For enrich, which asks the desks of tenants in bearer mode and of no others."""


class StoredAccessTokens:
    """AccessTokens of all processes together. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, ring: KeyRing, steps: Steps = OF_ALL) -> None:
        self._pool, self._ring, self._steps = pool, ring, steps
        self._worker = str(uuid4())

    async def take(self, of: TokenOf, *, refused: str = "") -> Taken:
        mark = fingerprint(refused) if refused else ""
        for _ in range(2):
            taken = await self._take(of, mark)
            if not isinstance(taken, _Unreadable):
                return taken
            mark = taken.mark  # as good as refused by the desk
        return Busy(FETCH_SECONDS)  # others keep what only their ring opens

    async def keep(self, of: TokenOf, token: str, seconds: float) -> None:
        encrypted = self._ring.encrypt(token.encode(), tenant_id=of.tenant_id, column=COLUMN)
        await tenant_call(
            self._pool,
            self._steps.keep,
            of.tenant_id,
            of.credential,
            self._worker,
            encrypted,
            fingerprint(token),
            seconds,
        )

    async def refuse(self, of: TokenOf, refused: Refused) -> None:
        seconds = refused_seconds(refused)
        await tenant_call(
            self._pool,
            self._steps.refuse,
            of.tenant_id,
            of.credential,
            self._worker,
            refused.reason.value,
            refused.detail,
            seconds,
        )

    async def _take(self, of: TokenOf, mark: str) -> Taken | _Unreadable:
        bounds = (FETCH_SECONDS, TOKENS_PER_WINDOW, WINDOW)
        (row,) = await tenant_call(
            self._pool, self._steps.take, of.tenant_id, of.credential, mark, self._worker, *bounds
        )
        match row["state"]:
            case "kept":
                return self._kept(of, row["stored"], row["mark"], row["seconds"])
            case "busy":
                return Busy(row["seconds"])
            case "refused":
                reason = Reason(row["reason"])
                wait = row["seconds"] if reason is Reason.DESK_RATE_LIMITED else None
                return Refused(reason, row["detail"], wait)
            case "spent":
                return spent(row["seconds"])
        return Fetch()

    def _kept(self, of: TokenOf, stored: str, mark: str, seconds: float) -> Kept | _Unreadable:
        try:
            return Kept(self._ring.decrypt(stored, tenant_id=of.tenant_id, column=COLUMN).decode(), seconds)
        except KeyRingError as error:
            log.warning(
                "A desk's access token can't be read, a new one is fetched", tenant_id=of.tenant_id, error=str(error)
            )
            return _Unreadable(mark)


class _Unreadable:
    def __init__(self, mark: str) -> None:
        self.mark = mark
