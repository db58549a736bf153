"""Watching itself: whether what is shown can be believed, and the work in the background."""

from __future__ import annotations

from infra.monitoring.dashboards import limits
from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Graph, Query, Table
from infra.monitoring.dashboards.promql import PROCESSES, TENANT, quantile

_OURS = f'job=~"{PROCESSES}"'

WATCHING_ROW = Row(
    "Watching and background work",
    (
        Graph(
            About(
                "Age of the lag view",
                "How old the numbers on the backlog are. Above 15 s they aren't believed: `/scaling` answers 503 "
                "and KEDA keeps the workers that there are.",
                "LagViewStale",
            ),
            "s",
            (Query("time() - max(ticketstream_lag_view_timestamp_seconds)", "age"),),
            limits.VIEW_SECONDS,
        ),
        Graph(
            About(
                "Reading the lag",
                "How long the lag service takes to ask Kafka for everything, every 2 s. Above 1 s Kafka is slow.",
                "LagViewStale",
            ),
            "s",
            (
                Query(quantile(0.5, "ticketstream_lag_refresh_seconds"), "p50"),
                Query(quantile(0.95, "ticketstream_lag_refresh_seconds"), "p95"),
            ),
        ),
        Graph(
            About(
                "Clocks",
                "By how much a process's clock differs from PostgreSQL's and Kafka's. Above 1 s ages and latencies "
                "are wrong by as much; webhooks are stale at 300 s. Set the machine's clock (NTP).",
                "ClockSkew",
            ),
            "s",
            (Query("max by (job, reference) (abs(ticketstream_clock_skew_seconds))", "{{job}} {{reference}}"),),
            limits.SKEW_SECONDS,
        ),
        Graph(
            About(
                "Scraping",
                "How long Prometheus takes to fetch a process's metrics; at most 300 ms were agreed for 200 tenants.",
            ),
            "s",
            (Query(f"max by (job) (scrape_duration_seconds{{{_OURS}}})", "{{job}}"),),
            limits.SCRAPE_SECONDS,
        ),
        Graph(
            About(
                "Series",
                "Series by process, at most 20,000 altogether were agreed for 200 tenants. A jump: a label that "
                "isn't bounded. Escalate.",
            ),
            "short",
            (Query(f"sum by (job) (scrape_samples_scraped{{{_OURS}}})", "{{job}}"),),
            stacked=True,
        ),
        Graph(
            About(
                "Since the last good round",
                "How long ago background work last went well: the probe that looks for other tenants' rows, the "
                "audit log's sealer, reconcile.",
                "IsolationProbeMissing",
            ),
            "s",
            (
                Query("time() - min(ticketstream_isolation_probe_timestamp_seconds > 0)", "isolation probe, oldest"),
                Query("time() - max(ticketstream_audit_sealer_timestamp_seconds > 0)", "sealer"),
                Query("time() - max(ticketstream_reconcile_last_round_timestamp_seconds > 0)", "reconcile"),
            ),
            limits.PROBE_SECONDS,
        ),
        Table(
            About(
                "Webhook secrets due",
                "When each tenant's webhook secret should be exchanged; a negative time is overdue. `ticketstream "
                "tenant rotate-secret TENANT`, together with the tenant's administrator.",
                "WebhookSecretDue",
                width=12,
            ),
            (
                Query(
                    f"min by (tenant_id) (ticketstream_webhook_secret_due_timestamp_seconds{{{TENANT}}}) - time()",
                    "Due in",
                    "dtdurations",
                    limits.SECRET_DUE_SECONDS,
                ),
            ),
            labels=("tenant_id",),
            smallest_first=True,
        ),
    ),
    closed=True,
)
