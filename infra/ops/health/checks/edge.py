"""Does the edge answer at its public address, with the right time, and quickly enough?"""

from __future__ import annotations

import time

import aiohttp

from infra.ops.health.finding import Finding, not_known, well, wrong
from infra.ops.health.looking import Looking
from infra.ops.health.prometheus import Prometheus, PrometheusFailed
from infra.ops.onboarding.edge_checks import MOST_CLOCK_SECONDS, clock_off

SLOW_SECONDS = 1.0
FEW = 20
"""Requests within 5 minutes below which a percentile says nothing."""
_P95 = "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job='ingest'}[5m])))"
_REQUESTS = "sum(increase(http_request_duration_seconds_count{job='ingest'}[5m]))"
PUBLIC_URL = "TICKETSTREAM_PUBLIC_URL"


async def check(sight: Looking) -> Finding:
    url = sight.around.variables.get(PUBLIC_URL)
    if not url:
        return not_known(f"{PUBLIC_URL} is not set", f"set {PUBLIC_URL}")
    page, began = f"{url.rstrip('/')}/openapi.json", time.monotonic()
    async with sight.http.get(page, allow_redirects=False) as answer:
        took, status, date = time.monotonic() - began, answer.status, answer.headers.get("Date")
    if status != 200:
        return wrong(
            f"{page} answers {status}", f"see that {PUBLIC_URL} leads to the edge; then infra/runbooks/EdgeErrors.md"
        )
    off = clock_off(date)
    if off is not None and abs(off) > MOST_CLOCK_SECONDS:
        return wrong(
            f"its clock and this computer's are {abs(off):.0f} s apart; webhooks get stale at 300 s",
            "read the runbook infra/runbooks/ClockSkew.md",
        )
    clock = "its clock is not known" if off is None else f"its clock is right ({abs(off):.0f} s off)"
    slow, told = await _p95(sight.prometheus)
    finding = f"it answers in {took * 1000:.0f} ms, {clock}, {told}"
    return wrong(finding, "read the runbook infra/runbooks/HighAPILatency.md") if slow else well(finding)


async def _p95(prometheus: Prometheus | None) -> tuple[bool, str]:
    """Whether it is above 1 s, and in words."""
    if prometheus is None:
        return False, "p95 not known without Prometheus"
    try:
        requests, seconds = await prometheus.number(_REQUESTS), await prometheus.number(_P95)
    except (PrometheusFailed, aiohttp.ClientError, OSError, ValueError):
        return False, "p95 not known, since Prometheus gives no answer"
    if seconds is None or (requests or 0) < FEW:
        return False, "too few requests within 5 minutes for a p95"
    return seconds > SLOW_SECONDS, f"p95 {seconds:.2f} s over 5 minutes"
