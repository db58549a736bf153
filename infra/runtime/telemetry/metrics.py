"""Prometheus metrics that more than one process writes. Labels are bounded sets: never a ticket, a tenant only on counters
and of those that are held."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

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
END_TO_END_SECONDS = Histogram(
    "ticketstream_webhook_to_note_seconds",
    "Time from webhook to note.",
    ["tenant_id"],
    buckets=(1, 5, 15, 30, 45, 60, 90, 120, 300),
)
PUBLISH_SECONDS = Histogram(
    "ticketstream_publish_seconds",
    "Time until Kafka acknowledged a record.",
    ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
PUBLISH_ERRORS = Counter(
    "ticketstream_publish_errors_total", "Records that Kafka didn't acknowledge in time.", ["topic"]
)
