"""What publishing to Kafka comes to."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

PUBLISH_SECONDS = Histogram(
    "ticketstream_publish_seconds",
    "Time until Kafka acknowledged a record.",
    ["topic"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
PUBLISH_ERRORS = Counter(
    "ticketstream_publish_errors_total", "Records that Kafka didn't acknowledge in time.", ["topic"]
)
