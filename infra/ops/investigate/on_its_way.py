"""The event is on its way: what it waits for."""

from __future__ import annotations

from datetime import timedelta

from infra.ops.investigate.cause import Cause
from infra.ops.investigate.facts import Facts, Hold, Lane
from infra.ops.investigate.journey import Journey, Place
from infra.ops.investigate.verdict import Verdict, clock, lasting, tries
from infra.runtime.stream.breaker import BreakerState
from schemas.events import TicketKind
from schemas.reasons import Reason
from schemas.topics import Stage

_HOLDS: dict[str, Cause] = {
    Reason.DESK_UNAVAILABLE: Cause.DESK_UNAVAILABLE,
    Reason.DESK_RATE_LIMITED: Cause.DESK_RATE_LIMITED,
    Reason.DESK_CREDENTIAL_REFUSED: Cause.DESK_CREDENTIAL_REFUSED,
    Reason.NOTE_UNCERTAIN: Cause.NOTE_UNCERTAIN,
    Reason.NOTE_PENDING: Cause.NOTE_UNCERTAIN,
    Reason.MODEL_UNAVAILABLE: Cause.MODEL_UNAVAILABLE,
    Reason.MODEL_RATE_LIMITED: Cause.MODEL_RATE_LIMITED,
    Reason.DATABASE_UNAVAILABLE: Cause.DATABASE_UNAVAILABLE,
    Reason.TENANT_DISABLED: Cause.TENANT_DISABLED,
    Reason.KEY_UNKNOWN: Cause.KEY_UNKNOWN,
    Reason.CRASHES_WORKER: Cause.CRASHES_WORKER,
    Reason.GATHERING: Cause.EDITS_GATHERED,
    Reason.RETRY: Cause.INTERNAL_ERROR,
}
_TOO_SLOW = "no answer within"
OVERDUE = timedelta(seconds=30)
EDITS = timedelta(seconds=30)
"""Longer than edits are gathered."""
MOVES_WITHIN = timedelta(minutes=10)


def held(facts: Facts, journey: Journey, place: Place) -> Verdict | None:
    hold = journey.holds[0]
    if hold.deaths and (died := _died(hold)):
        return died
    lane = facts.lanes.get(hold.stage)
    if hold.until < facts.now - OVERDUE and (stopped := _stopped(lane)):
        return stopped
    return _for(facts, hold, "It")


def waiting(facts: Facts, journey: Journey, place: Place) -> Verdict | None:
    stage = place.stage
    if stage is None:
        return None
    lane = facts.lanes.get(stage)
    return (
        _disabled(facts, stage)
        or _worker_dies(facts, stage)
        or _stopped(lane)
        or _closed(facts, stage)
        or _edit(facts, journey, stage)
        or _behind(lane, place)
        or _moving(facts, journey, lane, stage)
    )


def _disabled(facts: Facts, stage: Stage) -> Verdict | None:
    if facts.tenant is None or facts.tenant.enabled:
        return None
    return Verdict(Cause.TENANT_DISABLED, f"The tenant is disabled: what was in flight waits at {stage}.")


def _worker_dies(facts: Facts, stage: Stage) -> Verdict | None:
    """Another event of the lane may be what kills the worker."""
    killer = next((one for one in facts.closing if one.stage is stage and one.deaths), None)
    return _died(killer) if killer else None


def _died(hold: Hold) -> Verdict | None:
    words = (
        f"{hold.deaths} workers of {hold.stage} died while they handled an event of ticket {hold.ticket_id}. "
        "At the third death it is set aside."
    )
    return Verdict(Cause.CRASHES_WORKER, words, stage=hold.stage.value)


def _stopped(lane: Lane | None) -> Verdict | None:
    if lane is None or (lane.workers != 0 and lane.owned is not False):
        return None
    who = "No worker" if not lane.workers else f"None of the {lane.workers} workers"
    words = f"{who} of {lane.stage} has the tenant's partition: the stage is stopped, or its worker died just now."
    return Verdict(Cause.STAGE_STOPPED, words, stage=lane.stage.value)


def _closed(facts: Facts, stage: Stage) -> Verdict | None:
    """By another ticket of the tenant, which failed first."""
    closing = [one for one in facts.closing if one.stage is stage and one.until > facts.now - OVERDUE]
    if closing:
        return _for(facts, closing[0], f"The tenant's lane is closed: ticket {closing[0].ticket_id}")
    breaker = facts.breakers.get(stage)
    if breaker is None or breaker.state is BreakerState.CLOSED:
        return None
    until = f" until {clock(breaker.until)}" if breaker.until else ""
    return Verdict(
        Cause.DESK_UNAVAILABLE, f"The tenant's lane at {stage} is closed by its breaker{until}: the desk failed."
    )


def _for(facts: Facts, hold: Hold, what: str) -> Verdict:
    cause = _HOLDS.get(hold.reason, Cause.UNEXPLAINED)
    if cause is Cause.MODEL_UNAVAILABLE and _TOO_SLOW in hold.detail:
        cause = Cause.MODEL_TOO_SLOW
    since = lasting((facts.now - hold.first_failed_at).total_seconds())
    detail = f": {hold.detail}" if hold.detail else ""
    tried = f"{tries(hold.attempts)} in {since}; the next at {clock(hold.until)}"
    words = f"{what} is held at {hold.stage} for {hold.reason}{detail}. {tried}."
    return Verdict(cause, words, stage=hold.stage.value)


def _edit(facts: Facts, journey: Journey, stage: Stage) -> Verdict | None:
    arrival = journey.arrival
    waits = stage is Stage.ENRICH and arrival.has_row and arrival.kind == TicketKind.UPDATED
    if not waits or facts.now - arrival.received_at > EDITS:
        return None
    return Verdict(Cause.EDITS_GATHERED, "An edit waits 10 s for further ones, so that one note answers them all.")


def _behind(lane: Lane | None, place: Place) -> Verdict | None:
    if lane is None or not place.before:
        return None
    waiting = "1 event of the tenant waits" if place.before == 1 else f"{place.before} events of the tenant wait"
    words = f"{waiting} before it at {lane.stage}; the stage works, nothing is held."
    return Verdict(Cause.BACKLOG, words, stage=lane.stage.value)


def _moving(facts: Facts, journey: Journey, lane: Lane | None, stage: Stage) -> Verdict | None:
    if lane is None:
        return None
    age = facts.now - journey.arrival.received_at
    if age > MOVES_WITHIN:
        words = f"It came {lasting(age.total_seconds())} ago, is the next at {stage}, and nothing is known to be in its way."
        return Verdict(Cause.STUCK, words)
    return Verdict(Cause.IN_PROGRESS, f"{stage} is at work on it, {lasting(age.total_seconds())} after it came.")
