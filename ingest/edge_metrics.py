"""What the edge counts. A tenant is a label only once it is known to exist, a route only as its pattern."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter(
    "http_requests_total", "HTTP requests answered, by method, route and status.", ["method", "route", "status"]
)
HTTP_SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time from the request's headers to its answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10),
)
WEBHOOKS = Counter(
    "ticketstream_webhooks_total",
    "Webhooks by outcome: queued, duplicate, or why they were refused. The tenant is empty while it isn't known.",
    ["tenant_id", "outcome"],
)
REFUSALS_NOT_KEPT = Counter(
    "ticketstream_ingest_refusals_not_kept_total",
    "Refused webhooks that `ticketstream tenant refusals` doesn't show: too many at once, or PostgreSQL away for long.",
)
TOKENS_FOR_ANOTHER_TENANT = Counter(
    "ticketstream_tokens_for_another_tenant_total",
    "Requests that named another tenant than their valid token's, which is the label.",
    ["tenant_id"],
)
TOKENS_REFUSED = Counter(
    "ticketstream_tokens_refused_total",
    "Bearer tokens refused: not_valid (unknown, expired, revoked), or locked_out after too many of these.",
    ["reason"],
)
TENANTS_REFRESH_FAILED = Counter(
    "ticketstream_ingest_tenants_refresh_failed_total", "Polls of the tenants that PostgreSQL didn't answer."
)
SECRET_DUE = Gauge(
    "ticketstream_webhook_secret_due_timestamp_seconds",
    "When the tenant's webhook secret should be exchanged, in seconds since 1970.",
    ["tenant_id"],
)
CONNECTIONS_REFUSED = Counter(
    "ticketstream_ingest_connections_refused_total", "Connections answered with 503, since there were too many."
)
CONNECTIONS_CUT_OFF = Counter(
    "ticketstream_ingest_connections_cut_off_total", "Connections whose first request's headers took too long."
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

ALERTED = ("queued", "bad_signature", "stale")

# Looking a child up by its labels takes as long as counting with it.
requests = cache(HTTP_REQUESTS.labels)
seconds = cache(HTTP_SECONDS.labels)
webhooks = cache(WEBHOOKS.labels)


def known_tenants(tenant_ids: Iterable[str]) -> None:
    """What alerts count of a tenant begins at 0, so that the first webhook is an increase. May be said again."""
    for tenant_id in tenant_ids:
        for outcome in ALERTED:
            webhooks(tenant_id, outcome)


def count_request(method: str, route: str, status: int, took: float) -> None:
    """One answered request. A method that somebody made up counts as OTHER."""
    method = method if method in _METHODS else "OTHER"
    requests(method, route, str(status)).inc()
    seconds(method, route).observe(took)
