"""Prometheus metrics of enrich: what the sources of context take, and which of them give nothing."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

SOURCE_SECONDS = Histogram(
    "ticketstream_source_seconds",
    "Time until a source of context answered or was cut off.",
    ["source"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10),
)
SOURCE_FAILURES = Counter(
    "ticketstream_source_failures_total",
    "Questions that a source of context gave no answer to, by reason: timeout, cancelled, error.",
    ["source", "reason"],
)
TIMEOUT, CANCELLED, ERROR = "timeout", "cancelled", "error"


def known_sources(names: list[str]) -> None:
    """Their counters begin at 0, so that the first failure is an increase."""
    for name in names:
        for reason in (TIMEOUT, CANCELLED, ERROR):
            SOURCE_FAILURES.labels(name, reason)
