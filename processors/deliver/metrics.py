"""Prometheus metrics of deliver."""

from __future__ import annotations

from prometheus_client import Histogram

END_TO_END_SECONDS = Histogram(
    "ticketstream_webhook_to_note_seconds",
    "Time from webhook to note.",
    ["tenant_id"],
    buckets=(1, 5, 15, 30, 45, 60, 90, 120, 300),
)
