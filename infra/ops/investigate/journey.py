"""One event's way through the stages, and where it is now. Ids are derived, so that what followed from it is known by its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from infra.ops.investigate.facts import POSTGRES, Arrival, Content, Emitted, Facts, Gathered, Hold, Intent, Letter
from schemas import ids
from schemas.reasons import Reason
from schemas.topics import Stage

ECHOES = frozenset({Reason.UNCHANGED.value, Reason.DUPLICATE.value})
"""Events that say nothing new: what became of the ticket, an earlier one decides."""


class Status(StrEnum):
    ANSWERED = "answered"
    DROPPED = "dropped"
    WAITING = "waiting"
    HELD = "held"
    DEAD_LETTER = "dead_letter"
    REFUSED = "refused"
    NEVER_RECEIVED = "never_received"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Journey:
    """Of one arrival. `content` is the row of what it is to answer, None where that row is another event's."""

    arrival: Arrival
    gathered: Gathered | None
    synthesized: Emitted | None
    delivered: Emitted | None
    content: Content | None
    intent: Intent | None
    holds: tuple[Hold, ...]
    letters: tuple[Letter, ...]

    @property
    def has_text(self) -> bool:
        """Whether a note's text was written for this very event: the row may still tell of one before it."""
        own = ids.derive(ids.of_output(self.arrival.event_id, Stage.ENRICH.value), "enhancement")
        return self.synthesized is not None or (self.content is not None and self.content.enhancement_id == own)


@dataclass(frozen=True, slots=True)
class Place:
    """`stage` is where it waits or ended, `before` how many wait there before it; None where that isn't known."""

    status: Status
    stage: Stage | None = None
    reason: str = ""
    before: int | None = None


def journey_of(facts: Facts, arrival: Arrival) -> Journey:
    enriched = ids.of_output(arrival.event_id, Stage.ENRICH.value)
    synthesized = ids.of_output(enriched, Stage.SYNTHESIZE.value)
    chain = (arrival.event_id, enriched, synthesized)
    content = facts.content_of(arrival)
    return Journey(
        arrival,
        next((one for one in facts.gathered if one.input_id == arrival.event_id), None),
        next((one for one in facts.synthesized if one.input_id == enriched), None),
        next((one for one in facts.delivered if one.input_id == synthesized), None),
        content,
        _intent(facts, content),
        tuple(one for one in facts.holds if one.event_id in chain),
        tuple(one for one in facts.letters if _is_of(one, chain, arrival)),
    )


def _is_of(letter: Letter, chain: tuple[str, ...], arrival: Arrival) -> bool:
    """A conflicting duplicate has the event's id and is another: the first one counts, and goes its way."""
    if letter.reason == Reason.CONFLICTING_DUPLICATE:
        return False
    return letter.event_id in chain or letter.original == arrival.position


def _intent(facts: Facts, content: Content | None) -> Intent | None:
    own = [one for one in facts.intents if content is not None and one.content_hash == content.content_hash]
    return own[-1] if own else None


def decisive(arrivals: Sequence[Arrival]) -> Arrival | None:
    """The newest event that says something new."""
    telling = [one for one in arrivals if not (one.outcome == "dropped" and one.reason in ECHOES)]
    return telling[-1] if telling else (arrivals[-1] if arrivals else None)


def place_of(facts: Facts, journey: Journey) -> Place:
    """Where this event is now."""
    content, arrival = journey.content, journey.arrival
    if letter := _newest_letter(journey):
        return Place(Status.DEAD_LETTER, _stage(letter.stage), letter.reason)
    if _answered(facts, journey):
        return Place(Status.ANSWERED, Stage.DELIVER)
    if arrival.outcome == "dropped":
        return Place(Status.DROPPED, Stage.ENRICH, arrival.reason or "")
    if dropped := _dropped(journey):
        return Place(Status.DROPPED, Stage.DELIVER if journey.has_text else Stage.SYNTHESIZE, dropped)
    if content is not None and content.status == "failed":
        return Place(Status.DEAD_LETTER, None, content.reason or "")
    if journey.holds:
        hold = journey.holds[0]
        lane = facts.lanes.get(hold.stage)
        return Place(Status.HELD, hold.stage, hold.reason, lane.before(hold.position.offset) if lane else None)
    return _waiting(facts, journey)


def _waiting(facts: Facts, journey: Journey) -> Place:
    stage, offset = _next_stage(journey)
    lane = facts.lanes.get(stage)
    if lane is None:
        return Place(Status.WAITING, stage)
    handled = offset is not None and offset < lane.next
    if handled and (POSTGRES in facts.missing or stage is Stage.ENRICH):
        return Place(
            Status.UNKNOWN, stage
        )  # what came of it is in the rows, or in a topic that was looked through in part
    return Place(Status.WAITING, stage, before=lane.before(offset))


def _next_stage(journey: Journey) -> tuple[Stage, int | None]:
    """The stage that has it next, and the offset of the record that it has it by, where that is known."""
    if journey.has_text:
        return Stage.DELIVER, _offset(journey.synthesized)
    if journey.gathered is not None or journey.arrival.done_at is not None:
        return Stage.SYNTHESIZE, _offset(journey.gathered)
    return Stage.ENRICH, journey.arrival.position.offset


def _offset(emitted: Gathered | Emitted | None) -> int | None:
    return emitted.record.position.offset if emitted is not None else None


def _newest_letter(journey: Journey) -> Letter | None:
    """Unless its content was answered later."""
    if not journey.letters:
        return None
    letter, content = journey.letters[-1], journey.content
    if (
        content
        and content.status == "success"
        and (content.posted_at or letter.last_failed_at) >= letter.last_failed_at
    ):
        return None
    return letter


def _answered(facts: Facts, journey: Journey) -> bool:
    if journey.content is not None:
        return journey.content.status == "success"
    if journey.delivered is not None:
        return journey.delivered.note_id is not None
    since = journey.arrival.received_at
    done = journey.arrival.outcome == "published"
    return done and any(one.done_at is not None and one.done_at >= since for one in facts.intents)


def _dropped(journey: Journey) -> str | None:
    if journey.content is not None and journey.content.status == "dropped":
        return journey.content.reason or "dropped"
    return journey.delivered.reason if journey.delivered is not None else None


def _stage(name: str) -> Stage | None:
    return Stage(name) if name in list(Stage) else None
