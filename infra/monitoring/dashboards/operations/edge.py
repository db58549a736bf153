"""The edge: what comes in, how quickly it is answered, and what is refused."""

from __future__ import annotations

from infra.monitoring.dashboards import limits
from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Graph, Query
from infra.monitoring.dashboards.promql import TENANT, quantile, rate, share

_REFUSED = f'ticketstream_webhooks_total{{{TENANT}, outcome!~"queued|duplicate"}}'

EDGE_ROW = Row(
    "Edge",
    (
        Graph(
            About(
                "API latency",
                "How quickly the edge answers, all routes. Agreed for webhooks: p95 below 1 s; above 5 s desks give "
                "up. If it rises with the time until Kafka acknowledges (stages, further down), Kafka is slow; if "
                "not, add edge replicas.",
                "HighAPILatency",
            ),
            "s",
            (
                Query(quantile(0.5, "http_request_duration_seconds"), "p50"),
                Query(quantile(0.95, "http_request_duration_seconds"), "p95"),
                Query(quantile(0.99, "http_request_duration_seconds"), "p99"),
            ),
            limits.WEBHOOK_SECONDS,
        ),
        Graph(
            About(
                "API latency p95 by route",
                "Which route is slow. Webhooks wait for Kafka, feedback and pages for PostgreSQL.",
                "HighAPILatency",
            ),
            "s",
            (Query(quantile(0.95, "http_request_duration_seconds", "route"), "{{route}}"),),
            limits.WEBHOOK_SECONDS,
        ),
        Graph(
            About(
                "Request error rate",
                "Requests answered with 5xx. Agreed: below 1 %. 503 means that Kafka is away, or that the edge "
                "never saw its tenants: see `/health` on its internal port. Desks send again only if they were told "
                "how; reconcile finds the rest within 5 minutes.",
                "EdgeErrors",
            ),
            "percentunit",
            (Query(share(rate('http_requests_total{status=~"5.."}'), rate("http_requests_total")), "5xx"),),
            limits.ERRORS,
        ),
        Graph(
            About(
                "Webhooks by outcome",
                "What became of the webhooks. Everything but queued and duplicate was refused: see the panel beside.",
                "WebhookSignatureFailures",
            ),
            "reqps",
            (Query(rate(f"ticketstream_webhooks_total{{{TENANT}}}", "outcome"), "{{outcome}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Refused webhooks by tenant",
                "Whose webhooks are refused and why. bad_signature: the secret was changed on one side only. stale: "
                "a clock is off, or somebody sends old ones again. Without a tenant: nobody's. `ticketstream tenant "
                "refusals TENANT` shows each.",
                "WebhookSignatureFailures",
            ),
            "reqps",
            (Query(rate(_REFUSED, "tenant_id, outcome"), "{{tenant_id}} {{outcome}}"),),
        ),
        Graph(
            About(
                "Requests by status",
                "All answers of the edge. Many 401 or 403 on feedback routes: a token expired, or somebody tries.",
            ),
            "reqps",
            (Query(rate("http_requests_total", "status"), "{{status}}"),),
            stacked=True,
        ),
    ),
)
