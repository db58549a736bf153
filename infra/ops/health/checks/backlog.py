"""Does anybody's backlog grow, or grow old? Below 20 tickets of a tenant is normal, above 50 warns, above 100 pages."""

from __future__ import annotations

from infra.ops.health.checks.waiting import Waits, waiting
from infra.ops.health.finding import Finding, well, wrong
from infra.ops.health.looking import Looking

NORMAL, WARNS, PAGES, ESCALATES = 20, 50, 100, 200
TOO_OLD_SECONDS = 300.0
MOST_NAMED = 10
NEXT = "ticketstream lag show"


async def check(sight: Looking) -> Finding:
    waits = await waiting(sight)
    names = await sight.may_see(sorted(waits))
    own = {tenant_id: one for tenant_id, one in waits.items() if tenant_id in names}
    return judged(own, names)


def judged(waits: dict[str, Waits], names: dict[str, str]) -> Finding:
    """Tenants that their own desk holds up are left out, as alerts leave them out: `held tenants` tells of those."""
    counted = {tenant_id: one for tenant_id, one in waits.items() if not one.held_by_its_desk}
    order = sorted(counted, key=lambda name: -counted[name].tickets)
    bad = [f"{names[name]}: {_why(counted[name])}" for name in order if _why(counted[name])]
    if bad:
        more = [f"and {len(bad) - MOST_NAMED} more"] if len(bad) > MOST_NAMED else []
        return wrong("\n".join([*bad[:MOST_NAMED], *more]), NEXT)
    if not order or not counted[order[0]].tickets:
        return well("nobody waits")
    first = counted[order[0]]
    total = sum(one.tickets for one in counted.values())
    oldest = max(one.oldest_seconds for one in counted.values())
    usual = "" if first.tickets < NORMAL else ", more than the usual 20"
    return well(
        f"{total} wait, at most {first.tickets} of one tenant ({names[order[0]]}{usual}), the oldest for {oldest:.0f} s"
    )


def _why(waits: Waits) -> str:
    """What is wrong with it; empty where nothing is."""
    told = f"{waits.tickets} wait, the oldest for {waits.oldest_seconds:.0f} s"
    for limit, what in ((ESCALATES, "goes to engineering"), (PAGES, "pages"), (WARNS, "warns")):
        if waits.tickets > limit:
            return f"{told} (above {limit} {what})"
    return f"{told} (above {TOO_OLD_SECONDS:.0f} s is a red flag)" if waits.oldest_seconds > TOO_OLD_SECONDS else ""
