"""Prometheus metrics of all stages. Labels are bounded sets: never a ticket; a tenant on counters, on what is held and on the time
from webhook to note, not on a stage's durations. `infra/handbook/metrics.md` lists every process's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from schemas.reasons import Reason
from schemas.topics import Stage

EVENTS_HANDLED = Counter(
    "ticketstream_events_handled_total",
    "Events that a stage is done with or has put back, by outcome (emit, drop, hold, dead_letter) and reason.",
    ["stage", "tenant_id", "outcome", "reason"],
)
EVENT_SECONDS = Histogram(
    "ticketstream_event_handling_seconds",
    "Time from the start of an event's handling to its outcome, one try.",
    ["stage"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
EVENTS_IN_FLIGHT = Gauge("ticketstream_events_in_flight", "Events being handled now.", ["stage"])
EVENTS_WAITING = Gauge("ticketstream_events_waiting", "Events read and not started.", ["stage"])
EVENTS_HELD = Gauge("ticketstream_events_held", "Events that wait for a due time.", ["stage"])
LANE_HELD = Gauge(
    "ticketstream_lane_held_events",
    "Events that failed and wait for another try, by tenant and reason; only of tenants that are held.",
    ["stage", "tenant_id", "reason"],
)
LANE_BREAKER = Gauge(
    "ticketstream_lane_breaker_state",
    "The circuit breaker of a tenant's lane: 0 closed, 1 half open, 2 open. No series: closed for a while.",
    ["stage", "tenant_id"],
)
EVENTS_REDELIVERED = Counter(
    "ticketstream_events_redelivered_total",
    "Events that were handled again: read a second time by this process after a rebalance, or with a result that an earlier run "
    "had stored.",
    ["stage"],
)
SLOTS = Gauge("ticketstream_slots", "How many events this process handles at once, of all tenants together.", ["stage"])
ENHANCEMENTS = Counter(
    "ticketstream_enhancements_total",
    "Tickets' events that came to an end: success (the note is on the ticket), dropped (at deliver, no note was needed any more), "
    "failed (a dead letter at enrich, synthesize or deliver). One that is replayed counts again.",
    ["tenant_id", "outcome"],
)
SUCCESS, DROPPED, FAILED = "success", "dropped", "failed"
# Looking a child up by its labels takes as long as counting with it.
handled = cache(EVENTS_HANDLED.labels)
handling_seconds = cache(EVENT_SECONDS.labels)

ENHANCING = frozenset({Stage.ENRICH, Stage.SYNTHESIZE, Stage.DELIVER})
"""Stages whose events are of a ticket that may get an enhancement."""


def known_tenants(stage: Stage, tenant_ids: Iterable[str]) -> None:
    """Their counters begin at 0, so that the first event is an increase. May be said again."""
    outcomes = (SUCCESS, DROPPED, FAILED) if stage is Stage.DELIVER else (FAILED,)
    if stage in ENHANCING:
        for tenant_id in tenant_ids:
            for outcome in outcomes:
                ENHANCEMENTS.labels(tenant_id, outcome)


def count_failed(stage: Stage, tenant_id: str, reason: Reason) -> None:
    """A dead letter of a proven tenant. A conflicting copy fails nothing: the event that came first is answered. A worker that dies
    between the dead letter and its commit makes one count twice."""
    if stage in ENHANCING and tenant_id and reason is not Reason.CONFLICTING_DUPLICATE:
        ENHANCEMENTS.labels(tenant_id, FAILED).inc()
