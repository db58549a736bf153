"""The page that asks for the operator token, and the way out."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from infra.ops.console.csrf import check_form, check_origin
from infra.ops.console.refusals import Refused
from infra.ops.console.rendering import render
from infra.ops.console.sessions import Sessions

HOME = "/"
LONGEST_NEXT = 500


class Login:
    """`GET|POST /login`, `POST /logout`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/login", self._ask, allow_head=False),
            web.post("/login", self._log_in),
            web.post("/logout", self._log_out),
        ]

    async def _ask(self, request: web.Request) -> web.Response:
        return asked(next_of(request.query.get("next", HOME)))

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        check_origin(request)
        form = await request.post()
        token, back = form.get("token"), form.get("next")
        to = next_of(back if isinstance(back, str) else HOME)
        response = web.Response(status=303, headers={"Location": to})
        try:
            await self._sessions.begin(request, response, token.strip() if isinstance(token, str) else "")
        except Refused as refusal:
            return asked(to, refusal)
        return response

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        await check_form(request, request.cookies.get(self._sessions.cookie, ""))
        response = web.Response(status=303, headers={"Location": "/login"})
        await self._sessions.end(request, response)
        return response


def asked(to: str, refusal: Refused | None = None) -> web.Response:
    """The form; with `refusal`, why the token before was no good."""
    response = render("login.html", status=refusal.status if refusal else 200, to=to, refusal=refusal)
    if refusal and refusal.retry_after:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def next_of(path: str) -> str:
    """Where to go after the login: a path of ours, whatever somebody wrote into a link."""
    parts = urlsplit(path) if len(path) <= LONGEST_NEXT and path.isprintable() and "\\" not in path else None
    if parts is None or parts.scheme or parts.netloc or not path.startswith("/") or path.startswith("//"):
        return HOME
    return path
