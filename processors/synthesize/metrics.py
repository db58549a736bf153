"""Prometheus metrics of synthesize."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

NOTES = Counter("ticketstream_notes_written_total", "Notes by writer.", ["tenant_id", "writer", "degraded"])
MODEL_CALLS = Counter(
    "ticketstream_model_calls_total",
    "Model calls by status: ok, refused, model_unavailable, model_rate_limited.",
    ["tenant_id", "status"],
)
MODEL_BREAKER = Gauge(
    "ticketstream_model_breaker_state",
    "Whether the model is asked: 0 yes (closed), 1 one call at a time (half open), 2 no (open).",
    ["model"],
)
MODEL_BREAKER_OPENED = Counter(
    "ticketstream_model_breaker_opened_total",
    "How often a model that was asked freely was given up for a while.",
    ["model"],
)
MODEL_TOKENS = Counter("ticketstream_model_tokens_total", "Tokens by kind: prompt, completion.", ["tenant_id", "kind"])
MODEL_COST = Counter("ticketstream_model_cost_usd_total", "What the provider says the calls cost.", ["tenant_id"])
MODEL_SECONDS = Histogram(
    "ticketstream_model_call_seconds",
    "Time of one model call.",
    buckets=(1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 300),
)
