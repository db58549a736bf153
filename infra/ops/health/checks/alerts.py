"""What fires now, by Prometheus. Without one nobody knows: that is no ✓."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.ops.health.finding import Finding, not_known, well, wrong
from infra.ops.health.looking import PROMETHEUS_URL, Looking

QUIET = frozenset({"info"})
"""Severities that call nobody; the Watchdog, which always fires, is one of them."""
MOST_NAMED = 10


async def check(sight: Looking) -> Finding:
    prometheus = sight.prometheus
    if prometheus is None:
        return not_known(f"{PROMETHEUS_URL} is not set", f"set {PROMETHEUS_URL}, or see Alertmanager's page")
    told = await prometheus.alerts()
    firing = [one for one in told if one.get("state") == "firing"]
    if not firing:
        return wrong(
            "not even the Watchdog fires: rules are not evaluated", "read the runbook infra/runbooks/Watchdog.md"
        )
    tenants = {str(one["labels"]["tenant_id"]) for one in firing if one["labels"].get("tenant_id")}
    return judged(firing, await sight.may_see(sorted(tenants)))


def judged(firing: list[Mapping[str, Any]], names: Mapping[str, str]) -> Finding:
    """Alerts of tenants that aren't named are left out."""
    loud = [one for one in firing if one["labels"].get("severity") not in QUIET and _seen(one, names)]
    if not loud:
        return well("none fires")
    loud.sort(key=lambda one: (one["labels"].get("severity") != "critical", one["labels"].get("alertname", "")))
    lines = [_line(one, names) for one in loud[:MOST_NAMED]]
    more = [f"and {len(loud) - MOST_NAMED} more"] if len(loud) > MOST_NAMED else []
    return wrong(
        "\n".join([*lines, *more]),
        f"read the runbook {loud[0].get('annotations', {}).get('runbook', 'infra/runbooks/')}",
    )


def _seen(alert: Mapping[str, Any], names: Mapping[str, str]) -> bool:
    tenant_id = alert["labels"].get("tenant_id")
    return not tenant_id or tenant_id in names


def _line(alert: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The summary names the tenant, too: left out where nobody is to be named."""
    labels, tenant_id = alert["labels"], alert["labels"].get("tenant_id", "")
    said = (
        alert.get("annotations", {}).get("summary", "")
        if names.get(tenant_id, tenant_id) == tenant_id
        else "of a tenant"
    )
    return f"{labels.get('alertname')} ({labels.get('severity')}): {said}"
