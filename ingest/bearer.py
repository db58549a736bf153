"""Bearer tokens: who calls, for which tenant, with which scopes. Fails closed when the tokens can't be looked up."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from aiohttp import web

from infra.runtime.telemetry.logs import get_logger
from ingest import edge_metrics
from ingest.answers import Refused, unavailable
from ingest.ports import Token, TokenCheck
from ingest.request_body import header_values
from ingest.source_address import SourceAddresses
from ingest.token_guessing import Guessing
from ingest.token_uses import TokenUses

log = get_logger(__name__)

ANSWER_SECONDS = 3.0
CACHED_SECONDS = 4.0
"""From when the look-up began, so that a token which is revoked while it is looked up ends within 5 s, too."""
MOST_CACHED = 2_000
WRONG_OF_A_SOURCE = 20
"""Wrong tokens a minute from one address."""
WRONG_OF_ALL = 600
"""Wrong tokens a minute from all addresses together: from then on, tokens that this process doesn't know have to wait."""
OTHERS_OF_A_TOKEN = 60
"""Requests a minute for another tenant with one valid token, each of them audited; what is beyond is only counted."""
STRANGERS_AT_ONCE = 2
"""Look-ups of tokens that this process doesn't know as good: the pool's other connections are for those it does."""
MOST_SHOWN = 64
ALL = ""

V = TypeVar("V")

_AUTHORIZATION = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/=-]{8,256})")


class BearerTokens:
    """Looks a token up at most every 4 s. Tokens are compared by their SHA-256, so that no comparison tells how much was right."""

    def __init__(
        self,
        tokens: TokenCheck,
        *,
        addresses: SourceAddresses | None = None,
        uses: TokenUses | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens, self._monotonic = tokens, monotonic
        self._addresses, self._uses = addresses or SourceAddresses(), uses or TokenUses()
        self._cache: OrderedDict[bytes, tuple[float, Token | None]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Token | None]] = {}
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._of_sources = Guessing(WRONG_OF_A_SOURCE, monotonic=monotonic)
        self._of_all = Guessing(WRONG_OF_ALL, monotonic=monotonic, most=1)
        self._strangers = asyncio.Semaphore(STRANGERS_AT_ONCE)
        self._of_tokens = Guessing(OTHERS_OF_A_TOKEN, monotonic=monotonic)

    async def authorize(self, request: web.Request, scope: str) -> Token:
        """The caller's token. Refuses with 401 (none or unknown), 403 (without the scope), 429 (too many unknown ones from this
        address), 503 (not known now)."""
        values = header_values(request, "Authorization")
        match = _AUTHORIZATION.fullmatch(values[0]) if len(values) == 1 else None
        token = await self._known(match[1], self._addresses.of(request)) if match else None
        if token is None:
            raise Refused(401, "send a valid token: Authorization: Bearer tst_…", reason="unauthorized")
        if scope not in token.scopes:
            raise Refused(403, f"the token lacks the scope {scope}", reason="scope")
        self._uses.note(token)
        return token

    async def own_tenant(self, token: Token, named: str | None, request: web.Request) -> str:
        """The token's tenant. Where the request names another: counted, audited, and refused with 403."""
        if not named or named == token.tenant_id:
            return token.tenant_id
        edge_metrics.TOKENS_FOR_ANOTHER_TENANT.labels(token.tenant_id).inc()
        if wait := self._of_tokens.wait(token.token_id):
            raise _too_many(wait)
        locked = self._of_tokens.wrong(token.token_id)
        source, route = self._addresses.of(request), f"{request.method} {request.path}"
        said = f", now locked out for {locked:.0f} s" if locked else ""
        log.warning(
            "Token used for another tenant",
            tenant_id=token.tenant_id,
            token_id=token.token_id,
            named=named[:MOST_SHOWN],
            route=route,
            source=source,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._tokens.used_for_another(token, named, f"{route} from {source}{said}")
        except Exception as error:  # refused all the same
            log.error("Not audited", tenant_id=token.tenant_id, error=f"{type(error).__name__}: {error}")
        raise Refused(403, "the token is for another tenant", reason="other_tenant")

    async def _known(self, text: bytes, source: str) -> Token | None:
        """None for a token that isn't valid. One that was valid lately waits for nobody's guessing."""
        key = sha256(text).digest()
        if key in self._good:
            return await self._judged(key, text, source)
        self._let_in(source)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._strangers.acquire()
        except TimeoutError:
            raise unavailable("too many tokens to check now", "tokens_busy") from None
        try:
            self._let_in(source)  # others of this source may have been wrong meanwhile
            return await self._judged(key, text, source)
        finally:
            self._strangers.release()

    def _let_in(self, source: str) -> None:
        if wait := max(self._of_sources.wait(source), self._of_all.wait(ALL)):
            edge_metrics.TOKENS_REFUSED.labels("locked_out").inc()
            raise _too_many(wait)

    async def _judged(self, key: bytes, text: bytes, source: str) -> Token | None:
        token = await self._find(key, text.decode("ascii"))
        if token is not None:
            _remember(self._good, key, None)
            return token
        self._good.pop(key, None)
        edge_metrics.TOKENS_REFUSED.labels("not_valid").inc()
        self._of_all.wrong(ALL)
        if wait := self._of_sources.wrong(source):
            log.warning("Too many wrong tokens", source=source, seconds=wait)
        return None

    async def _find(self, key: bytes, text: str) -> Token | None:
        """From the cache, else looked up, once for all who ask meanwhile. 503 where that can't be done."""
        cached = self._cache.get(key)
        if cached is not None and self._monotonic() - cached[0] <= CACHED_SECONDS:
            return cached[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._look_up(key, text))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        try:
            return await asyncio.shield(asking)  # who hangs up doesn't take the answer from the others
        except Exception as error:
            log.warning("Token not checked", error=f"{type(error).__name__}: {error}")
            raise unavailable("not able to check tokens now", "tokens_unavailable") from None

    async def _look_up(self, key: bytes, text: str) -> Token | None:
        began = self._monotonic()
        async with asyncio.timeout(ANSWER_SECONDS):
            token = await self._tokens.check(text)
        _remember(self._cache, key, (began, token))
        return token


def _remember(kept: OrderedDict[bytes, V], key: bytes, value: V) -> None:
    """The newest 2,000."""
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > MOST_CACHED:
        kept.popitem(last=False)


def _too_many(wait: float) -> Refused:
    return Refused(429, "too many wrong requests, wait", reason="locked_out", retry_after=math.ceil(wait))
