"""Expressions that panels are made of, in Prometheus' query language."""

from __future__ import annotations

TENANT = 'tenant_id=~"$tenant"'
"""The dashboard's filter; with All it also takes what belongs to no tenant."""

EVERY_TENANT = '__name__=~"ticketstream_lag_events|ticketstream_webhook_secret_due_timestamp_seconds"'
"""Series of which each tenant has one, also an idle one: the lag service's, and the edge's while that is away."""

PROCESSES = "ingest|enrich|synthesize|deliver|feedback_aggregate|reconcile|sealer|lag"
STAGES = "enrich|synthesize|deliver|feedback_aggregate"
LAG = f"max by (stage, tenant_id) (ticketstream_lag_events{{{TENANT}}})"
"""Events not handled yet; `max`, since two lag services may be scraped."""
FIRING = 'ALERTS{alertstate="firing", tenant_id=~"$tenant|"}'
"""Alerts on the chosen tenants and on what all share."""
IS_MEASURED = "0 * max(ticketstream_lag_view_timestamp_seconds)"
"""Zero while the lag service is there, nothing while it isn't: what isn't known is never shown as zero."""


def grown(counter: str, over: str = "$__range") -> str:
    """By how much a counter grew, its first value counted in: `increase` takes the first value that it sees for an old one, and
    what happened once in a tenant's life would never be shown."""
    return f"(({counter} unless {counter} offset {over}) or increase({counter}[{over}]))"


def total(counter: str, by: str = "", over: str = "$__range") -> str:
    """By how much counters grew together, by these labels."""
    return f"sum{_by(by)} ({grown(counter, over)})"


def increase(counter: str, by: str = "", over: str = "$__range") -> str:
    """As `total`, for counters that are there, at 0, before the first event: what `increase` alone does."""
    return f"sum{_by(by)} (increase({counter}[{over}]))"


def rate(counter: str, by: str = "") -> str:
    """How much counters grow in a second, by these labels."""
    return f"sum{_by(by)} (rate({counter}[$__rate_interval]))"


def share(part: str, whole: str) -> str:
    """One sum's share of another that has the same labels: 0 where there is only the whole, nothing where there is neither."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(q: float, histogram: str, by: str = "", match: str = "") -> str:
    """A quantile of what was observed lately. `histogram` without `_bucket`."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket{{{match}}}', labels)})"


def quantile_over(q: float, histogram: str, by: str = "", match: str = "", over: str = "$__range") -> str:
    """A quantile of what was observed in a long time."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {total(f'{histogram}_bucket{{{match}}}', labels, over)})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
