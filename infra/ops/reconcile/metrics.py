"""What reconciling counts. `Tickets fed in` above nothing means that webhooks get lost."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from infra.ops.reconcile.ports import Report, Result

TICKETS = Counter(
    "ticketstream_reconcile_tickets_total",
    "Tickets of desks' lists, by what came of them: known, fed_in, too_young, closed, failed.",
    ["tenant_id", "outcome"],
)
FAILURES = Counter(
    "ticketstream_reconcile_failures_total", "Runs and tickets that went wrong, by reason.", ["tenant_id", "reason"]
)
LAST_ROUND = Gauge("ticketstream_reconcile_last_round_timestamp_seconds", "When the last round over all tenants ended.")
OUTCOMES = ("known", "fed_in", "too_young", "closed", "failed")


def count(report: Report) -> None:
    """One run's."""
    for outcome in OUTCOMES:
        if number := getattr(report.counts, outcome):
            TICKETS.labels(report.tenant_id, outcome).inc(number)
    for problem in report.problems:
        FAILURES.labels(report.tenant_id, problem.reason).inc()
    if report.result is Result.FAILED and not report.problems:
        FAILURES.labels(report.tenant_id, "unknown").inc()
