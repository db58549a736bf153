"""What failed in the last hour: dead letters by reason, and the share of requests that the edge answered with a 5xx."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import aiohttp

from infra.ops.health.checks.letters import Letters, letters_since
from infra.ops.health.finding import Finding, well, wrong
from infra.ops.health.looking import Looking
from infra.ops.health.prometheus import Prometheus, PrometheusFailed
from schemas.reasons import Reason

HOUR = timedelta(hours=1)
BUGS = frozenset({Reason.INTERNAL_ERROR, Reason.CRASHES_WORKER})
MANY = 5
"""Dead letters of one reason within the hour; a single ticket that its desk refuses is no matter of the platform's health."""
MOST_ERRORS = 0.01
NEXT = "ticketstream dead-letters list --since 1h"
_REQUESTS = "sum(increase(http_requests_total{{job='ingest'{}}}[1h]))"
_ERRORS = _REQUESTS.format(",status=~'5..'") + " / " + _REQUESTS.format("")


async def check(sight: Looking) -> Finding:
    since = datetime.now(UTC) - HOUR
    found, errors = await asyncio.gather(letters_since(sight.around, since), _errors(sight.prometheus))
    names = await sight.may_see(sorted(found.tenants))
    return judged(found, names, errors)


def judged(found: Letters, names: Mapping[str, str], errors: float | None) -> Finding:
    """Letters of tenants that the person may not touch are left out; those of no tenant count."""
    reasons = Counter[str]()
    for (reason, tenant_id), count in found.counts.items():
        if not tenant_id or tenant_id in names:
            reasons[reason] += count
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    told = f"dead letters of the last hour: {told or 'none'}"
    if found.more:
        told += f", and {found.more} older ones of it not looked at"
    told += "" if errors is None else f"; {errors:.1%} of requests failed at the edge"
    if errors is not None and errors > MOST_ERRORS:
        return wrong(told, "read the runbook infra/runbooks/EdgeErrors.md")
    if any(count >= MANY or reason in BUGS for reason, count in reasons.items()):
        return wrong(told, f"{NEXT}; then infra/runbooks/DeadLetters.md")
    return well(told)


async def _errors(prometheus: Prometheus | None) -> float | None:
    """The share of the edge's requests with a 5xx; None where it isn't known."""
    if prometheus is None:
        return None
    try:
        return await prometheus.number(_ERRORS)
    except (PrometheusFailed, aiohttp.ClientError, OSError, ValueError):
        return None
