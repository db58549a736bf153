"""The console's application: who comes without a login is led to it, and nothing that goes wrong shows more than it should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg
from aiohttp import web

from infra.ops.cli.failure import Failure
from infra.ops.cli.operators import NotAllowed
from infra.ops.console import console_metrics, static_files
from infra.ops.console.csrf import check_form
from infra.ops.console.headers import said_with_each
from infra.ops.console.login import Login
from infra.ops.console.pages.known import knowing
from infra.ops.console.pages.routes import ROUTES
from infra.ops.console.refusals import NotLoggedIn, Refused, away
from infra.ops.console.rendering import render
from infra.ops.console.sessions import Sessions
from infra.ops.console.visits import Page, Rooms, Visit
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MAX_FORM_BYTES = 1024 * 1024
UNMATCHED = "unmatched"
API = "/api/"
_TITLES = {401: "Log in", 403: "Not allowed", 404: "Not found", 429: "Too many tries", 503: "Not now"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that the console serves. `tools` are the routes for programs, which check their callers themselves."""

    sessions: Sessions
    rooms: Rooms
    by_https: bool
    tools: Iterable[web.RouteDef] = ()
    pages: tuple[Page, ...] = ROUTES


def console_app(site: Site) -> web.Application:
    app = web.Application(middlewares=[answer_and_count], client_max_size=MAX_FORM_BYTES)
    app.on_response_prepare.append(said_with_each(by_https=site.by_https))
    app.add_routes([web.get("/static/{name}", static_files.get), *Login(site.sessions).routes(), *site.tools])
    app.cleanup_ctx.append(knowing(site.rooms))
    for page in site.pages:
        app.router.add_route(page.method, page.path, _behind_the_login(page, site))
    return app


def _behind_the_login(page: Page, site: Site) -> Handler:
    async def visited(request: web.Request) -> web.StreamResponse:
        try:
            session = await site.sessions.of(request)
        except NotLoggedIn:
            if request.method == "GET":
                return _to_the_login(request)
            raise
        if request.method != "GET":
            await check_form(request, session.session_id)
        return await page.handler(request, Visit(session, site.rooms, page.path))

    return visited


def _to_the_login(request: web.Request) -> web.Response:
    """With a way back. A link on another site's page comes without our cookie, which is SameSite=Strict: a browser that comes again
    from our own page has it."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and "Cookie" not in request.headers:
        return render("again.html", to=request.rel_url.raw_path_qs)
    return web.Response(status=303, headers={"Location": f"/login?next={quote(request.rel_url.raw_path_qs, safe='')}"})


@web.middleware
async def answer_and_count(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever happens becomes an answer: JSON for programs, a page for people; never a traceback."""
    started = time.perf_counter()
    try:
        response = await handler(request)
    except (asyncio.CancelledError, ConnectionError):  # the other side hung up, or we are being stopped
        raise
    except Exception as error:
        response = _answer(request, _refusal(request, error))
    took, route = time.perf_counter() - started, _route(request)
    console_metrics.REQUESTS.labels(_method(request), route, str(response.status)).inc()
    console_metrics.SECONDS.labels(_method(request), route).observe(took)
    return response


def _refusal(request: web.Request, error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, NotAllowed):
        return Refused(403, error.what, error.cure, reason="not_allowed")
    if isinstance(error, Failure):
        return Refused(400, error.what, error.cure, reason="failed")
    if isinstance(error, web.HTTPException):
        status = error.status if error.status >= 400 else 404
        return Refused(status, error.reason, "see the console's first page", reason="http")
    if isinstance(error, (*UNAVAILABLE, asyncpg.PostgresError, TimeoutError)):
        log.warning("Request failed", route=_route(request), error=f"{type(error).__name__}: {error}")
        return away("PostgreSQL doesn't answer")
    log.error("Request failed", method=request.method, route=_route(request), exc_info=error)
    return Refused(500, "something is wrong here", "tell engineering; the console's log has the details", reason="bug")


def _answer(request: web.Request, refusal: Refused) -> web.Response:
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request.path.startswith(API):
        body = {"error": refusal.what, "cure": refusal.cure, "reason": refusal.reason}
        return web.json_response(body, status=refusal.status, headers=headers)
    title = _TITLES.get(refusal.status, "That did not work")
    response = render("error.html", status=refusal.status, title=title, what=refusal.what, cure=refusal.cure)
    response.headers.update(headers)
    return response


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNMATCHED


def _method(request: web.Request) -> str:
    return request.method if request.method in ("GET", "HEAD", "POST") else "OTHER"
