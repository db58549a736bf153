"""Whether the edge answers at its public address with the right time, and whether this tenant is among the metrics."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import aiohttp

from infra.monitoring.dashboards.promql import EVERY_TENANT
from infra.ops.cli.acting import Acting
from infra.ops.onboarding.check import Check, Checks, failed, passed, skipped, unknown
from sinks.postgres.tenant_settings import TenantSettings

NAMES = ("edge", "dashboards")
PROMETHEUS = "TICKETSTREAM_PROMETHEUS_URL"
MOST_CLOCK_SECONDS = 30.0
MOST_BYTES = 4 * 1024 * 1024


async def edge_checks(at_work: Acting, tenant: TenantSettings) -> Checks:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=4.5)) as session:
        return {"edge": await _edge(session, at_work), "dashboards": await _dashboards(session, at_work, tenant)}


async def _edge(session: aiohttp.ClientSession, at_work: Acting) -> Check:
    url = f"{at_work.around.public_url()}/openapi.json"
    try:
        async with session.get(url, allow_redirects=False) as answer:
            status, date = answer.status, answer.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        told = f"{url} does not answer ({type(error).__name__})"
        return failed(told, "see that the edge runs, and TICKETSTREAM_PUBLIC_URL and the ingress lead to it")
    if status != 200:
        return failed(f"{url} answers {status}", "see that TICKETSTREAM_PUBLIC_URL leads to the edge itself")
    off = clock_off(date)
    if off is None:
        return unknown("it answers, but without a date", "see what stands before the edge")
    if abs(off) > MOST_CLOCK_SECONDS:
        return failed(
            f"its clock and this computer's are {abs(off):.0f} s apart", "set both by NTP: webhooks get stale at 300 s"
        )
    return passed(f"it answers, and its clock is right ({abs(off):.0f} s from this computer's)")


def clock_off(date: str | None) -> float | None:
    """Seconds by which a Date header is ahead of this computer's clock."""
    try:
        return parsedate_to_datetime(date).timestamp() - time.time() if date else None
    except ValueError:
        return None


async def _dashboards(session: aiohttp.ClientSession, at_work: Acting, tenant: TenantSettings) -> Check:
    """Whether the dashboards' filter offers the tenant. Without a Prometheus to ask, the local stack's edge is asked itself."""
    if url := at_work.around.variables.get(PROMETHEUS):
        return await in_prometheus(session, url.rstrip("/"), tenant.tenant_id)
    endpoints = at_work.around.endpoints
    edge = endpoints.internal.get("ingest") if endpoints else None
    if edge is None:
        return skipped(
            f"not checked from here without {PROMETHEUS}: look whether the tenant can be chosen in the dashboards"
        )
    async with session.get(f"{edge}/metrics") as answer:
        text = (await answer.content.read(MOST_BYTES)).decode("utf-8", "replace")
    if f'tenant_id="{tenant.tenant_id}"' in text:
        return passed("the edge's metrics have the tenant")
    return failed(
        "the edge's metrics don't have the tenant yet", "they do with its first webhook, or the script's --test"
    )


async def in_prometheus(session: aiohttp.ClientSession, url: str, tenant_id: str) -> Check:
    query = f'count by (job) ({{{EVERY_TENANT}, tenant_id="{tenant_id}"}})'
    try:
        async with session.get(f"{url}/api/v1/query", params={"query": query}) as answer:
            told = await answer.json(content_type=None)
        jobs = sorted(str(one["metric"].get("job", "?")) for one in told["data"]["result"])
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError) as error:
        told = f"Prometheus at {url} gives no answer ({type(error).__name__})"
        return unknown(told, f"see that it runs, and that {PROMETHEUS} leads to it")
    if jobs:
        return passed(f"the tenant can be chosen in the dashboards (Prometheus has it from {', '.join(jobs)})")
    cure = "wait for half a minute if it is new; see that Prometheus scrapes the edge and the lag service (Status, Targets)"
    return failed("Prometheus has no series of the tenant", cure)
