"""No event of the ticket ever arrived: refused at the edge, never sent, or not there at all."""

from __future__ import annotations

from datetime import timedelta

from infra.ops.investigate.cause import Cause
from infra.ops.investigate.facts import AtDesk, Facts
from infra.ops.investigate.verdict import Verdict, clock
from infra.ops.onboarding.refusal_causes import cause as refusal_cause
from sinks.postgres.webhook_refusals import Refusal

LATELY = timedelta(days=7)
GRACE = timedelta(minutes=2)
"""Younger tickets reconcile leaves to their webhook."""
_SENDER = {
    "stale": Cause.CLOCK_OFF,
    "bad_signature": Cause.WRONG_SECRET,
    "bad_bearer": Cause.WRONG_SECRET,
    "tenant_disabled": Cause.TENANT_DISABLED,
    "rate_limited": Cause.RATE_LIMITED,
}


def verdict(facts: Facts) -> Verdict:
    own = facts.own_refusals
    return (
        (_of(facts, own[0], f"Its webhook was refused at {clock(own[0].at)}") if own else None)
        or _disabled(facts)
        or _not_at_desk(facts)
        or _of_the_tenant(facts)
        or _never_sent(facts)
    )


def _of(facts: Facts, refusal: Refusal, what: str) -> Verdict:
    times = f", {refusal.times} alike" if refusal.times > 1 else ""
    source = f" from {refusal.address}" if refusal.address else ""
    words = f"{what}{source} with {refusal.status} ({refusal.reason}{times}): {refusal_cause(refusal)}."
    return Verdict(_SENDER.get(refusal.reason, Cause.WEBHOOK_REFUSED), f"{words}{_rotated(facts, refusal)}")


def _rotated(facts: Facts, refusal: Refusal) -> str:
    """A secret that was exchanged here, and maybe not at the desk."""
    if _SENDER.get(refusal.reason) is not Cause.WRONG_SECRET:
        return ""
    replaced = [one.until for one in facts.secrets if one.until is not None and one.until <= refusal.at]
    if not replaced:
        return ""
    return f" The secret was exchanged here, and the one before it ended at {clock(max(replaced))}: the desk may still use that."


def _disabled(facts: Facts) -> Verdict | None:
    if facts.tenant is None or facts.tenant.enabled:
        return None
    return Verdict(Cause.TENANT_DISABLED, "The tenant is disabled: the edge refuses all of its webhooks.")


def _not_at_desk(facts: Facts) -> Verdict | None:
    if facts.desk is None:
        return Verdict(
            Cause.NEVER_RECEIVED,
            "No event of this ticket ever arrived, and none was refused; whether the desk has it couldn't be asked.",
        )
    if facts.desk.ticket is AtDesk.GONE:
        return Verdict(
            Cause.NO_SUCH_TICKET,
            "No event of this ticket ever arrived, none was refused, and the tenant's desk has no such ticket.",
        )
    return None


def _of_the_tenant(facts: Facts) -> Verdict | None:
    """A refusal that names no ticket, or one that the body didn't tell, since this ticket was created."""
    since = (facts.desk.created_at if facts.desk else None) or facts.now - LATELY
    nameless = [one for one in facts.refusals if one.at >= since and one.ticket_id is None and one.reason in _SENDER]
    if not nameless:
        return None
    at = clock(nameless[0].at)
    what = f"No event of this ticket arrived; since it was created, a webhook of the tenant was refused at {at}"
    return _of(facts, nameless[0], what)


def _never_sent(facts: Facts) -> Verdict:
    desk = facts.desk
    status = f" ({desk.status})" if desk and desk.status else ""
    words = f"The desk has the ticket{status}, but no webhook about it ever came: none was accepted, and none refused."
    return Verdict(Cause.NEVER_SENT, f"{words} {fed_in(facts)}")


def fed_in(facts: Facts) -> str:
    """Whether `reconcile` would feed the ticket in, and when it looked last."""
    desk, state = facts.desk, facts.reconciled
    if desk is None or desk.ticket is AtDesk.GONE:
        return "Reconcile can't feed it in: the desk doesn't show it."
    if desk.ticket is AtDesk.CLOSED:
        return "Reconcile would not feed it in: it is closed."
    if facts.tenant is not None and not facts.tenant.enabled:
        return "Reconcile would not feed it in: the tenant is disabled."
    if state is None:
        return "Reconcile never ran for this tenant; it would feed the ticket in."
    if desk.created_at is not None and desk.created_at < state.first:
        return f"Reconcile leaves alone what was created before {clock(state.first)}: give it --since."
    if desk.created_at is not None and facts.now - desk.created_at < GRACE:
        return "Reconcile leaves tickets younger than 2 minutes to their webhook."
    last = (
        f"it ran last at {clock(state.last_run_at)}: {state.last_result}" if state.last_run_at else "it never ran yet"
    )
    error = f", {state.last_error}" if state.last_error else ""
    return f"Reconcile would feed it in; {last}{error}."
