"""Bearer tokens: who calls, for which tenant, with which scopes. Fails closed when the tokens can't be looked up."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from aiohttp import web

from infra.runtime.telemetry.logs import get_logger
from ingest.answers import Refused, unavailable
from ingest.ports import Token, TokenCheck
from ingest.request_body import header_values

log = get_logger(__name__)

ANSWER_SECONDS = 3.0
CACHED_SECONDS = 5.0
MOST_CACHED = 2_000

_AUTHORIZATION = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/=-]{8,256})")


class BearerTokens:
    """Looks a token up at most every 5 s, so that a revoked one is refused within 5 s."""

    def __init__(self, tokens: TokenCheck, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tokens, self._monotonic = tokens, monotonic
        self._cache: OrderedDict[bytes, tuple[float, Token | None]] = OrderedDict()

    async def authorize(self, request: web.Request, scope: str) -> Token:
        """The caller's token. Refuses with 401 (none or unknown), 403 (without the scope), 503 (not known now)."""
        values = header_values(request, "Authorization")
        match = _AUTHORIZATION.fullmatch(values[0]) if len(values) == 1 else None
        token = await self._find(match[1].decode("ascii")) if match else None
        if token is None:
            raise Refused(401, "send a valid token: Authorization: Bearer tst_…", reason="unauthorized")
        if scope not in token.scopes:
            raise Refused(403, f"the token lacks the scope {scope}", reason="scope")
        return token

    async def _find(self, text: str) -> Token | None:
        key, now = sha256(text.encode()).digest(), self._monotonic()
        cached = self._cache.get(key)
        if cached is not None and now - cached[0] <= CACHED_SECONDS:
            return cached[1]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                token = await self._tokens.check(text)
        except Exception as error:
            log.warning("Token not checked", error=f"{type(error).__name__}: {error}")
            raise unavailable("not able to check tokens now", "tokens_unavailable") from None
        self._cache[key] = (now, token)
        self._cache.move_to_end(key)
        while len(self._cache) > MOST_CACHED:
            self._cache.popitem(last=False)
        return token


def own_tenant(token: Token, named: str | None) -> str:
    """The token's tenant. 403 if the request names another."""
    if named and named != token.tenant_id:
        raise Refused(403, "the token is for another tenant", reason="other_tenant")
    return token.tenant_id
