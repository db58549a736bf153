"""At a glance: what a person looks at first."""

from __future__ import annotations

from infra.monitoring.dashboards import limits, promql
from infra.monitoring.dashboards.page import Row
from infra.monitoring.dashboards.panels import About, Number, Query, Table
from infra.monitoring.dashboards.promql import FIRING, LAG, PROCESSES, TENANT, increase, quantile_over, share, total

_DONE = f'ticketstream_enhancements_total{{{TENANT}, outcome=~"success|failed"}}'
_SUCCESS = f'ticketstream_enhancements_total{{{TENANT}, outcome="success"}}'
_DEAD = f'ticketstream_events_handled_total{{{TENANT}, outcome="dead_letter"}}'

GLANCE_ROW = Row(
    "At a glance",
    (
        Number(
            About(
                "Success rate",
                "Of the enhancements that ended in the chosen time, those whose note is on the ticket. Agreed: "
                "above 95 %. Below it, look at dead letters by reason, further down, then at one of them with "
                "`ticketstream dead-letters list`.",
                "LowSuccessRate",
                width=3,
            ),
            "percentunit",
            Query(f"{increase(_SUCCESS)} / ({increase(_DONE)} > 0)"),
            limits.SUCCESS,
            decimals=1,
        ),
        Number(
            About(
                "Webhook to note, p95",
                "19 of 20 tickets had their note after this time. Agreed: below 60 s. Above it, see where it is "
                "spent: waiting (oldest event by stage), the model (model call p95) or the desk (desk call p95).",
                "LatencyBudgetBurn",
                width=3,
            ),
            "s",
            Query(quantile_over(0.95, "ticketstream_webhook_to_note_seconds", match=TENANT)),
            limits.NOTE_SECONDS,
            decimals=1,
        ),
        Number(
            About(
                "Largest backlog of a tenant",
                "Events of one tenant that wait or are being worked on, over all stages. Agreed: below 20. See "
                "which tenant and what limits it in the table of waiting tenants, or with `ticketstream lag show`.",
                "HighQueueDepth",
                width=3,
            ),
            "short",
            Query(f"max(sum by (tenant_id) ({LAG}))"),
            limits.BACKLOG,
        ),
        Number(
            About(
                "Held tenants",
                "Tenants with events that wait for something outside: their desk, the model, the database. They "
                "wait alone, others don't notice. Why, and until when: the table of held tenants.",
                "TenantHeld",
                width=3,
            ),
            "short",
            Query(f"count(count by (tenant_id) (ticketstream_lag_held{{{TENANT}}} > 0)) or {promql.IS_MEASURED}"),
            limits.ANY,
        ),
        Number(
            About(
                "Request error rate",
                "Requests to the edge that it answered with 5xx. Agreed: below 1 %. Above it, see `/health` on its "
                "internal port and its log; 503 means that Kafka, or at start PostgreSQL, is away.",
                "EdgeErrors",
                width=3,
            ),
            "percentunit",
            Query(share(increase('http_requests_total{status=~"5.."}'), increase("http_requests_total"))),
            limits.ERRORS,
            decimals=2,
        ),
        Number(
            About(
                "Processes down",
                "Processes that Prometheus should scrape and can't. Look at the pod or, on one machine, at its log.",
                "ProcessDown",
                width=3,
            ),
            "short",
            Query(f'sum(up{{job=~"{PROCESSES}"}} == bool 0)'),
            limits.ANY_IS_BAD,
        ),
        Number(
            About(
                "Isolation violations",
                "Times that data of one tenant met another tenant's, since the processes started. Anything but 0 is "
                "an incident: declare it.",
                "TenantIsolationViolation",
                width=3,
            ),
            "short",
            Query("sum(ticketstream_tenant_isolation_violations_total)"),
            limits.ANY_IS_BAD,
        ),
        Number(
            About(
                "Dead letters",
                "Events that were given up in the chosen time. Each is a ticket without a note: see the reasons "
                "further down, cure the cause, then `ticketstream dead-letters replay`.",
                "DeadLetters",
                width=3,
            ),
            "short",
            Query(f"{total(_DEAD)} or 0 * sum(up)"),
            limits.ANY_IS_BAD,
            decimals=0,
        ),
        Table(
            About(
                "Firing alerts",
                "What fires now. Empty is good, provided that the alert Watchdog is here: it always fires, so that "
                "somebody notices when alerts don't arrive. The name leads to the runbook.",
                width=24,
            ),
            (Query(f"max by (alertname, severity, tenant_id, stage, job) ({FIRING})", "Firing"),),
            labels=("alertname", "severity", "tenant_id", "stage", "job"),
            runbook_column="alertname",
        ),
    ),
)
