"""The session's cookie, and who is behind it. Each request looks the token up, so that revoking it ends the session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import asyncpg
from aiohttp import web

from infra.ops.cli.operators import Operator
from infra.ops.console.csrf import csrf_token
from infra.ops.console.refusals import NotLoggedIn, Refused, away
from infra.ops.console.sign_in import ANSWER_SECONDS, SignIn
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.telemetry.logs import get_logger
from sinks.postgres.console_sessions import WHOLE, KeptSession

log = get_logger(__name__)

SECURE_COOKIE = "__Host-console"
PLAIN_COOKIE = "console"


class SessionStore(Protocol):
    """Where sessions are kept: `sinks.postgres.console_sessions`. Raises PostgresUnavailable."""

    async def begin(self, token: str, token_id: str) -> str: ...

    async def find(self, session_id: str) -> KeptSession | None: ...

    async def end(self, session_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Session:
    """`token` is the operator's, for what acts in the person's name; it never reaches the browser."""

    session_id: str
    operator: Operator
    token: str

    @property
    def csrf(self) -> str:
        return csrf_token(self.session_id)


class Sessions:
    """With `by_https` the cookie is for https alone (and for one's own machine, which browsers trust as much). Without, which is
    for the local stack, it has a plain name, since browsers take `__Host-` from https only."""

    def __init__(self, store: SessionStore, sign_in: SignIn, *, by_https: bool) -> None:
        self._store, self._sign_in, self._secure = store, sign_in, by_https
        self.cookie = SECURE_COOKIE if by_https else PLAIN_COOKIE

    async def begin(self, request: web.Request, response: web.StreamResponse, token: str) -> Operator:
        """Log in: the token's person, with a new session in the response's cookie. Refuses as `SignIn` does."""
        operator = await self._sign_in.person(token, request, "console login")
        if operator.token_id is None:
            raise NotLoggedIn("a token is needed")
        await self.end(request)  # never two in one browser, and never one that was there before the login
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                session_id = await self._store.begin(token, operator.token_id)
        except (PostgresUnavailable, asyncpg.PostgresError, TimeoutError, OSError) as error:
            raise self._away(error) from None
        response.set_cookie(
            self.cookie,
            session_id,
            max_age=int(WHOLE.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Strict",
        )
        log.info("Logged in", person=operator.name, token_id=operator.token_id)
        return operator

    async def of(self, request: web.Request) -> Session:
        """Refuses with NotLoggedIn, and with 503 where that can't be known."""
        session_id = request.cookies.get(self.cookie, "")
        found = await self._find(session_id) if session_id else None
        if found is None:
            raise NotLoggedIn("your session has ended" if session_id else "you are not logged in")
        try:
            operator = await self._sign_in.person(found.token, request, "console")
        except Refused as refusal:
            if refusal.status != 401:
                raise
            await self.end(request)  # else each further click would count as a wrong token
            raise NotLoggedIn(refusal.what) from None
        return Session(session_id, operator, found.token)

    async def end(self, request: web.Request, response: web.StreamResponse | None = None) -> None:
        """Log out: the row is gone, and with a response the cookie."""
        if session_id := request.cookies.get(self.cookie, ""):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._store.end(session_id)
            except (PostgresUnavailable, asyncpg.PostgresError, TimeoutError, OSError) as error:
                raise self._away(error) from None
        if response is not None:
            response.del_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="Strict")
            response.headers["Clear-Site-Data"] = '"cache", "storage"'

    async def _find(self, session_id: str) -> KeptSession | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._store.find(session_id)
        except (PostgresUnavailable, asyncpg.PostgresError, TimeoutError, OSError) as error:
            raise self._away(error) from None

    def _away(self, error: Exception) -> Refused:
        log.warning("Session not checked", error=f"{type(error).__name__}: {error}")
        return away("sessions can't be checked now")
