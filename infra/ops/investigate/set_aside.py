"""Why an event of the ticket was set aside as a dead letter."""

from __future__ import annotations

from infra.ops.investigate.cause import Cause
from infra.ops.investigate.facts import Facts, Letter
from infra.ops.investigate.journey import Journey, Place
from infra.ops.investigate.verdict import Verdict, clock
from schemas.reasons import Reason

_CAUSES: dict[str, tuple[Cause, str]] = {
    Reason.TENANT_MISMATCH: (Cause.ISOLATION, "what the event says of its tenant or ticket disagrees with its header"),
    Reason.WRONG_PARTITION: (Cause.ISOLATION, "the event stood in another tenant's partition"),
    Reason.BAD_SIGNATURE: (Cause.NOT_OURS, "the record's signature is not one of ours"),
    Reason.CONFLICTING_DUPLICATE: (Cause.CONFLICTING_DUPLICATE, "its webhook-id came before with another body"),
    Reason.DESK_REFUSED: (Cause.DESK_REFUSED, "the desk refused the note for good"),
    Reason.MODEL_REFUSED: (Cause.MODEL_REFUSED, "the model refused it"),
    Reason.HELD_TOO_LONG: (Cause.HELD_TOO_LONG, "it was held for over 24 h"),
    Reason.FAILS_ALONE: (Cause.FAILS_ALONE, "it failed again and again while the tenant's other tickets succeeded"),
    Reason.CRASHES_WORKER: (Cause.CRASHES_WORKER, "three workers died while they handled it"),
    Reason.INTERNAL_ERROR: (Cause.INTERNAL_ERROR, "an error that nothing foresaw, a bug"),
    Reason.MALFORMED: (Cause.UNREADABLE, "it isn't in the form of an event"),
    Reason.UNKNOWN_SCHEMA: (Cause.UNREADABLE, "nobody knows its schema"),
    Reason.TOO_LARGE: (Cause.UNREADABLE, "it is, or what follows from it would be, too large"),
}


def verdict(facts: Facts, journey: Journey, place: Place) -> Verdict | None:
    """Of the event that decides. Where the letter itself wasn't found, the row of enhancements tells what it says."""
    if journey.letters:
        return of_letter(journey.letters[-1])
    content = journey.content
    if content is None:
        return None
    cause, words = _known(place.reason)
    return Verdict(cause, f"It was set aside at {clock(content.updated_at)}: {words}. {content.error or ''}".strip())


def of_another_event(facts: Facts, journey: Journey) -> Verdict | None:
    """A letter of the ticket that is newer than the event that decides, and isn't of its own way."""
    if not facts.letters:
        return None
    newest, arrival = facts.letters[-1], journey.arrival
    own = newest in journey.letters
    return None if own or newest.last_failed_at < arrival.received_at else of_letter(newest)


def of_letter(letter: Letter) -> Verdict:
    cause, words = _known(letter.reason)
    tries = "" if letter.attempts <= 1 else f" after {letter.attempts} tries"
    said = (
        f"{letter.stage} set the event aside at {clock(letter.last_failed_at)}{tries}: {words} "
        f"({letter.reason}, dead letter {letter.place}). {letter.error}"
    )
    return Verdict(cause, said.strip(), letter.place, letter.stage)


def _known(reason: str) -> tuple[Cause, str]:
    return _CAUSES.get(reason, (Cause.UNREADABLE, reason))
