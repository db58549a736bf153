"""Access tokens of cloud desks: one process fetches a token, all use it.

A refresh token gives at most 10 access tokens in 10 minutes, and each lasts an hour (Zoho, "OAuth 2.0, refresh access tokens"):
processes that each fetched their own would lock a tenant out of its own desk when they are started together.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol, TypeAlias

from schemas.reasons import Reason
from sinks.servicedesk.types import Refused

TOKENS_PER_WINDOW, WINDOW = 8, 600.0
"""Our own bound, below Zoho's 10, so that a key which is refused again and again doesn't lock others of the tenant out."""
FETCH_SECONDS = 25.0
"""How long one process is waited for: longer than a call may take."""
REFUSED_SECONDS = 5.0
"""How long what the accounts server answered to one process is everybody's answer, unless it named a time itself."""
MAX_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class TokenOf:
    """Whose token: a tenant's, for one credential (`CloudCredential.key`), so that a replaced one begins anew."""

    tenant_id: str
    credential: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A token that is good for so many seconds."""

    token: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True)
class Fetch:
    """It is the caller's to fetch, and to tell with `keep` or `refuse` what came of it."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another process fetches it, and has so many seconds left: ask again."""

    seconds: float


Taken: TypeAlias = Kept | Fetch | Busy | Refused


class AccessTokens(Protocol):
    """Raises PostgresUnavailable where that is what keeps them."""

    async def take(self, of: TokenOf, *, refused: str = "") -> Taken:
        """The token as it is kept. `refused` is one that the desk no longer takes: it is forgotten, a newer one isn't. `Refused` is
        what the last fetch brought, for some seconds, or that too many were fetched lately."""

    async def keep(self, of: TokenOf, token: str, seconds: float) -> None:
        """What was fetched, good for so many seconds."""

    async def refuse(self, of: TokenOf, refused: Refused) -> None:
        """The fetch brought none."""


def fingerprint(token: str) -> str:
    """Tells tokens apart without showing them."""
    return sha256(token.encode()).hexdigest()


def spent(wait: float) -> Refused:
    detail = f"{TOKENS_PER_WINDOW} access tokens were asked for in {WINDOW:.0f} s; Zoho allows 10"
    return Refused(Reason.DESK_RATE_LIMITED, detail, wait)


@dataclass(slots=True)
class _Row:
    token: str = field(default="", repr=False)
    until: float = 0.0
    fetching_by: object = None
    fetching_until: float = 0.0
    asked: deque[float] = field(default_factory=deque)
    refused: Refused | None = None
    refused_until: float = 0.0


class TokensInMemory:
    """AccessTokens of this process alone, and the fake of the stored ones. `share` gives another process' view of the same."""

    def __init__(self, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._rows: OrderedDict[TokenOf, _Row] = OrderedDict()
        self._worker = object()

    def share(self) -> TokensInMemory:
        other = TokensInMemory(seconds=self._seconds)
        other._rows = self._rows
        return other

    async def take(self, of: TokenOf, *, refused: str = "") -> Taken:
        row, now = self._row(of), self._seconds()
        if row.token and row.token == refused:
            row.token = ""
        if row.token and row.until > now:
            return Kept(row.token, row.until - now)
        if row.fetching_until > now and row.fetching_by is not self._worker:
            return Busy(row.fetching_until - now)
        if row.refused is not None and row.refused_until > now:
            return row.refused
        while row.asked and row.asked[0] <= now - WINDOW:
            row.asked.popleft()
        if len(row.asked) >= TOKENS_PER_WINDOW:
            return spent(row.asked[0] + WINDOW - now)
        row.asked.append(now)
        row.fetching_by, row.fetching_until, row.refused = self._worker, now + FETCH_SECONDS, None
        return Fetch()

    async def keep(self, of: TokenOf, token: str, seconds: float) -> None:
        row = self._row(of)
        if row.fetching_by is self._worker:
            row.token, row.until = token, self._seconds() + seconds
            row.fetching_by, row.fetching_until = None, 0.0

    async def refuse(self, of: TokenOf, refused: Refused) -> None:
        row = self._row(of)
        if row.fetching_by is self._worker:
            row.refused, row.refused_until = refused, self._seconds() + refused_seconds(refused)
            row.fetching_by, row.fetching_until = None, 0.0

    def _row(self, of: TokenOf) -> _Row:
        row = self._rows.setdefault(of, _Row())
        self._rows.move_to_end(of)
        if len(self._rows) > MAX_REMEMBERED:
            self._rows.popitem(last=False)
        return row


def refused_seconds(refused: Refused) -> float:
    """How long a refusal is everybody's."""
    return REFUSED_SECONDS if refused.retry_after is None else refused.retry_after
