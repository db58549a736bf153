"""From an operator token to a person, for each request anew: one that is revoked is good for nothing at once. Fails closed."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import TypeAlias

import asyncpg
from aiohttp import web

from infra.ops.cli.operators import NotAllowed, Operator
from infra.ops.console import console_metrics
from infra.ops.console.refusals import Refused, away, too_many
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.telemetry.logs import get_logger
from ingest.source_address import SourceAddresses
from ingest.token_guessing import Guessing

log = get_logger(__name__)

ANSWER_SECONDS = 3.0
WRONG_OF_A_SOURCE = 10
"""Wrong tokens a minute from one address, then it waits."""
WRONG_OF_ALL = 100
"""Wrong tokens a minute from all addresses together: from then on, tokens that this process doesn't know have to wait."""
MOST_KNOWN = 1000
ALL = ""
WhoseToken: TypeAlias = Callable[[str, str], Awaitable[Operator]]
"""`await whose(token, command)`: the person. Raises NotAllowed, counted and audited, and PostgresUnavailable."""

_TOKEN = re.compile(r"tso_[A-Za-z0-9_-]{20,190}")
_BEARER = re.compile(r"(?i:bearer) +(\S{1,200})")


class SignIn:
    """A token that was good lately never waits for what others do behind the same address."""

    def __init__(
        self, whose: WhoseToken, addresses: SourceAddresses, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._whose, self._addresses = whose, addresses
        self._of_sources = Guessing(WRONG_OF_A_SOURCE, monotonic=monotonic)
        self._of_all = Guessing(WRONG_OF_ALL, monotonic=monotonic, most=1)
        self._good: OrderedDict[bytes, None] = OrderedDict()

    async def by_header(self, request: web.Request, command: str) -> tuple[Operator, str]:
        """The caller and the token. Refuses with 401 (none, unknown, ended), 429 (too many wrong ones), 503 (not known now)."""
        given = request.headers.getall("Authorization", ())
        match = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
        if match is None:
            console_metrics.TOKENS_REFUSED.labels("none").inc()
            raise Refused(401, "an operator token is needed", "send Authorization: Bearer tso_…", reason="unauthorized")
        return await self.person(match[1], request, command), match[1]

    async def person(self, token: str, request: web.Request, command: str = "") -> Operator:
        """Whose token it is; refuses as `by_header` does. `command` is what the audit log says was tried."""
        key, source = sha256(token.encode("utf-8", "replace")).digest(), self._addresses.of(request)
        if key not in self._good and (wait := max(self._of_sources.wait(source), self._of_all.wait(ALL))):
            console_metrics.TOKENS_REFUSED.labels("locked_out").inc()
            raise too_many(wait)
        if not _TOKEN.fullmatch(token):
            raise self._wrong(key, source, "that is no operator token")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await self._whose(token, command)
        except NotAllowed as refusal:
            raise self._wrong(key, source, refusal.what) from None
        except (PostgresUnavailable, asyncpg.PostgresError, TimeoutError, OSError) as error:
            log.warning("Token not checked", error=f"{type(error).__name__}: {error}")
            raise away("tokens can't be checked now") from None
        self._good[key] = None
        self._good.move_to_end(key)
        while len(self._good) > MOST_KNOWN:
            self._good.popitem(last=False)
        return found

    def _wrong(self, key: bytes, source: str, what: str) -> Refused:
        self._good.pop(key, None)
        console_metrics.TOKENS_REFUSED.labels("not_valid").inc()
        self._of_all.wrong(ALL)
        if wait := self._of_sources.wrong(source):
            log.warning("Too many wrong tokens", source=source, seconds=wait)
        return Refused(401, what, "ask an engineer for an operator token", reason="unauthorized")
