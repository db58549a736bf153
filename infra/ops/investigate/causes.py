"""From facts to the most likely root cause, in words, with what to do. Pure: the same facts give the same diagnosis.

Rules are asked one after the other, the first that knows decides: what excludes all others first, then what is likelier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote

from infra.ops.investigate import answered, on_its_way, refused, set_aside
from infra.ops.investigate.cause import REMEDIES, Cause
from infra.ops.investigate.facts import KAFKA, POSTGRES, Facts
from infra.ops.investigate.journey import Journey, Place, Status, decisive, journey_of, place_of
from infra.ops.investigate.verdict import Verdict
from schemas.times import rfc3339
from schemas.topics import Stage


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`words` is the cause for people; `next_command` is empty where nothing is to be done. `place` is where the ticket is now,
    `journey` the way of the event that decides, None where none arrived."""

    cause: Cause
    words: str
    next_command: str
    resolution: str
    follow_up: str
    place: Place
    journey: Journey | None = None


Rule = Callable[[Facts, Journey, Place], Verdict | None]
_BY_STATUS: dict[Status, Rule] = {
    Status.DEAD_LETTER: set_aside.verdict,
    Status.ANSWERED: answered.verdict,
    Status.DROPPED: answered.dropped,
    Status.HELD: on_its_way.held,
    Status.WAITING: on_its_way.waiting,
}


def root_cause(facts: Facts) -> Diagnosis:
    """The most likely root cause."""
    arrival = decisive(facts.arrivals)
    if arrival is None:
        found, place = _never_arrived(facts)
        return _diagnosis(facts, found, place, None)
    journey = journey_of(facts, arrival)
    place = place_of(facts, journey)
    rule = _BY_STATUS.get(place.status)
    found = (set_aside.of_another_event(facts, journey) or (rule(facts, journey, place) if rule else None)) or _unknown(
        facts
    )
    return _diagnosis(facts, found, place, journey)


def _never_arrived(facts: Facts) -> tuple[Verdict, Place]:
    if facts.letters:
        newest = facts.letters[-1]
        return set_aside.of_letter(newest), Place(Status.DEAD_LETTER, None, newest.reason)
    if facts.tenant is None and POSTGRES not in facts.missing:
        return Verdict(Cause.NO_SUCH_TENANT, f"There is no tenant {facts.tenant_id}."), Place(Status.UNKNOWN)
    if KAFKA in facts.missing or POSTGRES in facts.missing:
        return _unknown(facts), Place(Status.UNKNOWN)
    if facts.not_looked_at and not facts.own_refusals:
        return _may_wait(facts), Place(Status.UNKNOWN, Stage.ENRICH)
    found = refused.verdict(facts)
    status = Status.REFUSED if facts.own_refusals else Status.NEVER_RECEIVED
    return found, Place(status)


def _may_wait(facts: Facts) -> Verdict:
    words = (
        f"No event of it is known, but {facts.not_looked_at} events of the tenant that wait at enrich couldn't be looked "
        "through in time: it may be among them."
    )
    return Verdict(Cause.BACKLOG, words)


def _unknown(facts: Facts) -> Verdict:
    if facts.missing:
        away = "; ".join(f"{name}: {why}" for name, why in facts.missing.items())
        return Verdict(Cause.SOURCES_AWAY, f"It can't be told while something is missing ({away}).")
    return Verdict(Cause.UNEXPLAINED, "The event arrived, and no row, record or dead letter tells what became of it.")


def _diagnosis(facts: Facts, found: Verdict, place: Place, journey: Journey | None) -> Diagnosis:
    remedy = REMEDIES[found.cause]
    letter = found.letter or (facts.letters[-1].place if facts.letters else "")
    first = facts.arrivals[0].received_at if facts.arrivals else facts.now
    since = rfc3339(first.replace(second=0, microsecond=0), "seconds")
    stage = found.stage or (place.stage.value if place.stage else "the stage")
    names = {"tenant": quote(facts.tenant_id), "ticket": quote(facts.ticket_id), "letter": letter}
    names |= {"stage": stage, "since": since}
    command = remedy.command if letter or "{letter}" not in remedy.command else _LIST
    return Diagnosis(
        found.cause,
        found.words,
        command.format(**names),
        remedy.resolution.format(**names),
        remedy.follow_up.format(**names),
        place,
        journey,
    )


_LIST = "ticketstream dead-letters list --tenant {tenant} --ticket {ticket}"
