"""`/`: all tenants that the person may touch, above them the system's health; and the search box."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from infra.ops.console.pages import tenant_rows
from infra.ops.console.pages.showing import asked_for, known, show
from infra.ops.console.pages.telling import path, query
from infra.ops.console.visits import Visit
from schemas.ids import is_desk_id
from sinks.postgres.tenant_settings import TENANT_ID


async def tenants(request: web.Request, visit: Visit) -> web.StreamResponse:
    given = asked_for(request, "q", "sort", "down")
    now, own, knows = datetime.now(UTC), visit.operator.tenants, known(request)
    async with visit.acting(command="tenant list"):
        copy, health = await knows.overview.get(), await knows.health(visit.operator)
    lag = knows.lag.history
    lags = tenant_rows.lags_of(lag.current(now))
    all_rows = tenant_rows.rows(copy.value, lags, own, now) if copy.value else []
    sort = given["sort"] if given["sort"] in tenant_rows.COLUMNS else "health"
    rows = tenant_rows.arranged(tenant_rows.filtered(all_rows, given["q"]), sort, down=bool(given["down"]))
    return show(
        "tenants.html",
        visit,
        section="tenants",
        rows=rows[: tenant_rows.MOST_ROWS],
        all=len(all_rows),
        copy=copy,
        health=health,
        lag_error="" if lags is not None else lag.error or "the lag service's answer is too old",
        q=given["q"],
        sort=sort,
        down=bool(given["down"]),
    )


async def find(request: web.Request, visit: Visit) -> web.StreamResponse:
    """`TENANT TICKET` leads to the ticket, `TENANT` to the tenant; anything else filters the tenants."""
    text = asked_for(request, "q")["q"]
    tenant_id, _, ticket_id = text.partition(" ")
    ticket_id = ticket_id.strip().lstrip("#")
    to = "/" + query({"q": text})
    if TENANT_ID.match(tenant_id) and visit.operator.may_touch(tenant_id):
        if is_desk_id(ticket_id):
            to = path("tenants", tenant_id, "tickets", ticket_id)
        elif not ticket_id and await _is_one(request, tenant_id):
            to = path("tenants", tenant_id)
    return web.Response(status=303, headers={"Location": to})


async def _is_one(request: web.Request, tenant_id: str) -> bool:
    copy = await known(request).overview.get()
    return copy.value is not None and tenant_id in copy.value.tenants
