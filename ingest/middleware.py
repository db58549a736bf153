"""Around every handler: no 500, no redirect, every answer counted by its route's pattern."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.logs import get_logger
from ingest import edge_metrics
from ingest.answers import Refused, json_answer, unavailable

log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNMATCHED = "unmatched"


@web.middleware
async def answer_and_count(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refusals become their answers, aiohttp's own (404, 405) JSON, and what nobody foresaw a logged 503."""
    started = time.perf_counter()
    try:
        response = await handler(request)
    except Refused as refusal:
        response = refusal.response()
    except web.HTTPException as error:
        response = _plain(error)
    except (asyncio.CancelledError, ConnectionError):  # the other side hung up, or we are being stopped
        raise
    except Exception:
        log.exception("Request failed", method=request.method, route=_route(request))
        response = unavailable("something is wrong here, send it again", "internal_error").response()
    edge_metrics.count_request(request.method, _route(request), response.status, time.perf_counter() - started)
    return response


@web.middleware
async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A trace per request, by OpenTelemetry's semantic conventions for HTTP. It names the route's pattern, not the path, which may
    hold a feedback link's token; and it goes on with nobody's trace, since anybody may send a traceparent."""
    route = _route(request)
    attributes = {"http.request.method": request.method, "http.route": route, "url.path": route, "url.scheme": "http"}
    with tracing.entry(f"{request.method} {route}", tracing.Kind.SERVER, attributes) as span:
        response = await handler(request)
        span.set("http.response.status_code", response.status)
        if response.status >= 500:
            span.fail(str(response.status))
        return response


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNMATCHED


def _plain(error: web.HTTPException) -> web.Response:
    headers = {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")}
    status = error.status if error.status >= 400 else 404  # never a redirect
    return json_answer({"error": error.reason}, status if status != 500 else 503, headers)
