"""`/lag`: the live chart with its numbers, and `/lag.json`, by which its script draws it anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from infra.ops.console.pages.lag_drawing import drawn
from infra.ops.console.pages.lag_history import chart
from infra.ops.console.pages.showing import asked_for, known, show
from infra.ops.console.visits import Visit
from schemas.topics import Stage

MOST_BEHIND = 200


async def lag(request: web.Request, visit: Visit) -> web.StreamResponse:
    found = await _found(request, visit)
    return show("lag.html", visit, section="lag", stage_names=[stage.value for stage in Stage], **found)


async def lag_json(request: web.Request, visit: Visit) -> web.StreamResponse:
    found = await _found(request, visit)
    return web.json_response(
        {
            "at": f"{datetime.now(UTC):%H:%M:%S}",
            "error": found["error"],
            "drawn": found["drawn"].as_json(),
            "lines": [{"name": line.name, "now": line.now, "most": line.most} for line in found["chart"].lines],
        }
    )


async def _found(request: web.Request, visit: Visit) -> dict[str, Any]:
    given, now, history = asked_for(request, "tenant", "stage", "by"), datetime.now(UTC), known(request).lag.history
    async with visit.acting(*([given["tenant"]] if given["tenant"] else []), command="lag show"):
        own = visit.operator.tenants
        current = history.current(now)
        lines = chart(history, own, tenant=given["tenant"], stage=given["stage"], by_tenant=given["by"] == "tenant")
    behind = [
        (name, tenant_id, one)
        for name, stage in (current or {"stages": {}})["stages"].items()
        for tenant_id, one in (stage.get("tenants") or {}).items()
        if one["lag"] and _meant(given, name, tenant_id) and visit.operator.may_touch(tenant_id)
    ]
    behind.sort(key=lambda row: -row[2]["lag"])
    error = history.error if current is None or history.error else ""
    if current is None and not error:
        error = "the lag service's answer is too old"
    values = {"given": given, "chart": lines, "drawn": drawn(lines), "known": current is not None, "error": error}
    return {**values, "behind": behind[:MOST_BEHIND]}


def _meant(given: dict[str, str], stage: str, tenant_id: str) -> bool:
    return given["tenant"] in ("", tenant_id) and given["stage"] in ("", stage)
