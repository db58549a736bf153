"""What calls to desks come to, by HTTP. A refusal inside a 200 counts as 2xx here: holds and dead letters tell of it."""

from __future__ import annotations

import ssl
from functools import cache

import aiohttp
from prometheus_client import Counter, Histogram

from sinks.servicedesk.addresses import ForbiddenAddress

DESK_REQUESTS = Counter(
    "ticketstream_desk_requests_total",
    "Calls to tenants' desks and their accounts servers, by what came: 2xx, 3xx, 4xx, 429, 5xx, or why no answer: timeout, "
    "unreachable, tls, forbidden (an address that we don't call), broken_off.",
    ["tenant_id", "operation", "status"],
)
DESK_SECONDS = Histogram(
    "ticketstream_desk_request_seconds",
    "Time of one call to a desk, answered or not.",
    ["operation"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
)

OTHER, ACCESS_TOKEN = "other", "access_token"
_OPERATIONS = {
    ("GET", 1): "list_requests",
    ("GET", 2): "get_request",
    ("GET", 3): "list_notes",
    ("POST", 3): "add_note",
    ("GET", 4): "get_note",
}
TOO_MANY = 429
FORBIDDEN, TLS, BROKEN_OFF = "forbidden", "tls", "broken_off"

_requests = cache(DESK_REQUESTS.labels)
_seconds = cache(DESK_SECONDS.labels)


def count_call(tenant_id: str, operation: str, status: str, took: float) -> None:
    _requests(tenant_id, operation, status).inc()
    _seconds(operation).observe(took)


def operation_of(method: str, path: str) -> str:
    """The operation's name by the shape of its path behind `/api/v3`: of `/requests/{id}/notes` the ids don't matter."""
    return _OPERATIONS.get((method, path.count("/")), OTHER)


def answered_as(status: int) -> str:
    """An HTTP status as its class; 429 by itself, since that one is waited out."""
    if status == TOO_MANY:
        return str(status)
    return f"{status // 100}xx" if 200 <= status < 600 else OTHER


def failed_as(error: BaseException, *, sent: bool) -> str:
    """Why no whole answer came."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ForbiddenAddress):
        return FORBIDDEN
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientSSLError) or isinstance(cause, ssl.SSLError):
        return TLS
    return BROKEN_OFF if sent else "unreachable"
