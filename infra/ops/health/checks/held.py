"""Is any tenant held up by something outside: its desk, the model, the database? Everyday short holds don't count."""

from __future__ import annotations

from infra.ops.health.checks.waiting import Waits, waiting
from infra.ops.health.finding import Finding, well, wrong
from infra.ops.health.looking import Looking

DISABLED = "tenant_disabled"
NEXT = "ticketstream dead-letters list --limit 1, which shows what is held, too; then infra/runbooks/TenantHeld.md"


async def check(sight: Looking) -> Finding:
    waits = await waiting(sight)
    names = await sight.may_see(sorted(waits))
    return judged({tenant_id: one for tenant_id, one in waits.items() if tenant_id in names}, names)


def judged(waits: dict[str, Waits], names: dict[str, str]) -> Finding:
    """A tenant that somebody disabled is held on purpose: said, not wrong."""
    bad = list[str]()
    on_purpose = list[str]()
    for tenant_id, one in waits.items():
        reasons = {stage: reason for stage, reason in one.held.items() if reason != DISABLED}
        if reasons:
            why = ", ".join(f"{reason} at {stage}" for stage, reason in reasons.items())
            bad.append(f"{names[tenant_id]}: {why}, {one.tickets} wait, {one.tries} tries")
        elif one.held:
            on_purpose.append(names[tenant_id])
    if bad:
        return wrong("\n".join(bad), NEXT)
    return well(f"none but the disabled {', '.join(on_purpose)}" if on_purpose else "none")
