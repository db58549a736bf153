"""What Prometheus knows of a week: how the edge answered all tenants, and how many events of one waited at most."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta

import aiohttp

from infra.ops.report.rows import EdgeFigures
from infra.ops.report.week import Week

SECONDS = 10.0
_P95 = """
histogram_quantile(0.95, sum by (le) (
    increase(http_request_duration_seconds_bucket{job="ingest", route=~"/api/v1/webhooks/.+"}[SPAN])))
"""
_ERRORS = """
(sum(increase(http_requests_total{job="ingest", status=~"5.."}[SPAN])) or vector(0))
    / (sum(increase(http_requests_total{job="ingest"}[SPAN])) > 0)
"""
_BACKLOG = 'max_over_time(sum(ticketstream_lag_events{tenant_id="TENANT"})[SPAN:5m])'
"""A tenant's id is of letters, digits, dots, underscores and hyphens."""


class Prometheus:
    """Blocks nobody: what it doesn't answer within 10 s is None, and `silent` says why. Used by one task."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url.rstrip("/")
        self._edge: dict[Week, tuple[float | None, float | None]] = {}
        self.silent = ""

    async def figures(self, tenant_id: str, week: Week, now: datetime) -> EdgeFigures:
        """Of the week as far as it is over. Those of the edge are asked for once."""
        at = min(week.until, now)
        if at - week.since < timedelta(minutes=5) or self.silent:
            return EdgeFigures()
        span = f"{int((at - week.since).total_seconds())}s"
        if week not in self._edge:
            p95, errors = await asyncio.gather(self._ask(_P95, at, span), self._ask(_ERRORS, at, span))
            self._edge[week] = p95, errors
        return EdgeFigures(*self._edge[week], await self._ask(_BACKLOG, at, span, tenant_id))

    async def _ask(self, expression: str, at: datetime, span: str, tenant_id: str = "") -> float | None:
        query = expression.strip().replace("SPAN", span).replace("TENANT", tenant_id)
        given = {"query": query, "time": str(at.timestamp()), "timeout": f"{SECONDS:.0f}s"}
        limit = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with self._session.get(f"{self._url}/api/v1/query", params=given, timeout=limit) as answer:
                told = await answer.json(content_type=None)
            found = told["data"]["result"]
            value = float(found[0]["value"][1]) if found else math.nan
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError) as error:
            self.silent = f"Prometheus at {self._url} gives no answer ({type(error).__name__})"
            return None
        return value if math.isfinite(value) else None
