"""`/tenants/{tenant}/tickets/{ticket}`: what became of a ticket, as `ticketstream investigate` tells it."""

from __future__ import annotations

from aiohttp import web

from infra.ops.cli.failure import WrongUse
from infra.ops.console.pages import reason
from infra.ops.console.pages.showing import known, looking, show
from infra.ops.console.pages.tenant_page import tenant_of
from infra.ops.console.visits import Visit
from infra.ops.investigate import Investigation, investigate
from infra.ops.investigate.sources import sources_around
from schemas.ids import is_desk_id

SHOWN = (
    "note_at_desk",
    "ticket_at_desk",
    "writer",
    "model",
    "tokens",
    "cost_usd",
    "sources",
    "waiting_before",
    "trace_id",
)
BAD = ("dead letter", "failed", "refused", "held", "gave up", "lost")


async def ticket(request: web.Request, visit: Visit) -> web.StreamResponse:
    tenant_id, ticket_id = request.match_info["tenant"], request.match_info["ticket"]
    if not is_desk_id(ticket_id):
        raise WrongUse(f"{ticket_id[:80]!r} is no ticket id", "give one as it stands in the desk's address")
    sight = reason.given(request, visit, tenant_id)
    if sight is None:
        return await reason.asked(request, visit, tenant_id)
    async with visit.acting(tenant_id, command="investigate") as at_work:  # each time, also to fetch what was found
        await tenant_of(at_work, tenant_id)

    async def search() -> Investigation:
        async with visit.acting(tenant_id, command="investigate") as at_work:
            await reason.note(at_work, tenant_id, "investigate", f"ticket {ticket_id}", sight)
            async with sources_around(at_work.around, at_work.pool) as sources:
                return await investigate(sources, tenant_id, ticket_id)

    found = await known(request).searches.found((visit.session.session_id, tenant_id, ticket_id, sight), search)
    return shown(visit, found) if found else looking(request, visit, tenant_id, f"ticket {ticket_id}")


def shown(visit: Visit, found: Investigation) -> web.Response:
    told = found.as_json()
    tenant_id, ticket_id = told["tenant_id"], told["ticket_id"]
    return show(
        "ticket.html",
        visit,
        section="tenants",
        tenant_id=tenant_id,
        ticket_id=ticket_id,
        told=told,
        events=[one | {"bad": is_bad(one["what"])} for one in told["events"]],
        findings=found.findings,
        rest={name: told[name] for name in SHOWN},
        summary=found.as_markdown(),
        found=f"{tenant_id} {ticket_id}",
    )


def is_bad(what: str) -> bool:
    """Whether something went wrong there, by its words."""
    return any(word in what.lower() for word in BAD)
