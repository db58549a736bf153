"""`/held`, `/refusals`, `/audit`: what is held now, what the edge refused, and who did what."""

from __future__ import annotations

from aiohttp import web

from infra.ops.cli.acting import Acting
from infra.ops.console.pages.showing import asked_for, moment_of, page_of, show
from infra.ops.console.visits import Visit
from infra.ops.lag.holds import held_lanes
from infra.ops.onboarding.refusal_causes import cause
from sinks.postgres.audit_entries import Wanted
from sinks.postgres.audit_seals import AuditSeals
from sinks.postgres.console_reading import ConsoleReading
from sinks.postgres.tenant_directory import load_tenants

REFUSALS, ENTRIES = 100, 50
FILTER = ("tenant", "who", "operation", "text", "since", "until")


async def held(request: web.Request, visit: Visit) -> web.StreamResponse:
    async with visit.acting(command="lag show") as at_work:
        found = await held_lanes(at_work.pool)
    lanes = [
        {"tenant_id": tenant_id, "stage": stage, "lane": lane}
        for (stage, tenant_id), lane in sorted(found.items(), key=lambda item: (-item[1].events, item[0]))
        if visit.operator.may_touch(tenant_id)
    ]
    return show("held.html", visit, section="held", lanes=lanes)


async def refusals(request: web.Request, visit: Visit) -> web.StreamResponse:
    tenant_id = asked_for(request, "tenant")["tenant"]
    named = [tenant_id] if tenant_id else []
    async with visit.acting(*named, command="tenant refusals" if named else "tenant list") as at_work:
        own = named or await _own(at_work)
        found = await ConsoleReading(at_work.pool).refused(own, REFUSALS)
    rows = [{"tenant_id": name, "refusal": one, "cause": cause(one)} for name, one in found]
    return show("refusals.html", visit, section="refusals", refusals=rows, tenant=tenant_id)


async def audit(request: web.Request, visit: Visit) -> web.StreamResponse:
    given, page = asked_for(request, *FILTER), page_of(request)
    named, wrong, found = [given["tenant"]] if given["tenant"] else [], "", []
    async with visit.acting(*named, command="audit") as at_work:
        try:
            wanted = Wanted(
                moment_of(given["since"]),
                moment_of(given["until"]),
                given["who"] or None,
                given["operation"] or None,
                given["text"] or None,
            )
        except ValueError as error:
            wrong = str(error)
        else:
            reading, names = ConsoleReading(at_work.pool), named or await _audited(at_work)
            found = await reading.audited(names, wanted, ENTRIES + 1, (page - 1) * ENTRIES)
    return show(
        "audit.html",
        visit,
        section="audit",
        status=422 if wrong else 200,
        entries=found[:ENTRIES],
        more=len(found) > ENTRIES,
        page=page,
        given=given,
        wrong=wrong,
    )


async def _own(at_work: Acting) -> list[str]:
    return [one.tenant_id for one in await load_tenants(at_work.pool) if at_work.operator.may_touch(one.tenant_id)]


async def _audited(at_work: Acting) -> list[str]:
    """Of tenants that were erased, too, and of the platform: for who may touch all."""
    return [name for name in await AuditSeals(at_work.pool).tenants() if at_work.operator.may_touch(name)]
