"""The ticket has its note, or is to have none: what there is to say about that."""

from __future__ import annotations

from infra.ops.investigate.cause import Cause
from infra.ops.investigate.facts import AtDesk, Content, Facts
from infra.ops.investigate.journey import Journey, Place
from infra.ops.investigate.verdict import Verdict, clock
from schemas.reasons import Reason

_TOO_SLOW = ("no answer within", "no time was left")
_DROPS: dict[str, tuple[Cause, str]] = {
    Reason.TICKET_DELETED: (Cause.TICKET_DELETED, "The ticket was deleted at the desk before its note was written."),
    Reason.TICKET_CLOSED: (Cause.TICKET_CLOSED, "The ticket was closed before its note was written."),
    Reason.NOT_FOR_ENHANCEMENT: (Cause.TICKET_CLOSED, "The ticket came closed: it is kept as history, and gets no note."),
    Reason.NOTE_LIMIT: (Cause.NOTE_LIMIT, "The ticket had its 3 notes of a day already."),
    Reason.SUPERSEDED: (Cause.SUPERSEDED, "The ticket says something else by now: its note is that of the newer event."),
    Reason.UNCHANGED: (Cause.UNCHANGED, "The event says nothing new: the ticket's content is answered already."),
    Reason.DUPLICATE: (Cause.DUPLICATE, "The event is a copy of one that was handled."),
    Reason.ALREADY_ANSWERED: (Cause.UNCHANGED, "A note for this content was on the ticket already."),
}  # fmt: skip


def dropped(facts: Facts, journey: Journey, place: Place) -> Verdict | None:
    cause, words = _DROPS.get(place.reason, (Cause.UNEXPLAINED, f"The event was dropped: {place.reason}."))
    return Verdict(cause, words)


def verdict(facts: Facts, journey: Journey, place: Place) -> Verdict | None:
    """Why there may be a question all the same, likeliest first."""
    note = _note(facts, journey)
    return (
        _gone(facts, note)
        or _said_nothing_new(facts, note)
        or _copied(facts, note)
        or _overtook(facts, journey, note)
        or _with_less(journey.content, note)
        or Verdict(Cause.ANSWERED, f"{note} Nothing is wrong.")
    )


def _note(facts: Facts, journey: Journey) -> str:
    content, delivered = journey.content, journey.delivered
    note_id = (content.note_id if content else None) or (delivered.note_id if delivered else None)
    note_id = note_id or next((one.note_id for one in reversed(facts.intents) if one.note_id), None)
    at = (content.posted_at if content else None) or (delivered.record.at if delivered else None)
    return f"The ticket was answered at {clock(at)} with note {note_id or 'of an unknown id'}."


def _gone(facts: Facts, note: str) -> Verdict | None:
    desk = facts.desk
    if desk is None:
        return None
    if desk.ticket is AtDesk.GONE:
        return Verdict(Cause.TICKET_DELETED, f"{note} The desk doesn't have the ticket any more.")
    if desk.note_there is False:
        return Verdict(
            Cause.NOTE_DELETED, f"{note} The desk has the ticket but not the note: somebody deleted it there."
        )
    return None


def _said_nothing_new(facts: Facts, note: str) -> Verdict | None:
    """Our own notes raise a webhook each, which is unchanged, too: what is beyond those came from somebody."""
    same = [one for one in facts.arrivals if one.outcome == "dropped" and one.reason == Reason.UNCHANGED]
    if len(same) <= sum(one.status == "success" for one in facts.contents):
        return None
    newest = same[-1].received_at
    return Verdict(
        Cause.UNCHANGED,
        f"{note} The event of {clock(newest)} changed nothing that a note depends on (subject, description, requester, category), "
        "so there is no second one.",
    )


def _copied(facts: Facts, note: str) -> Verdict | None:
    copies = sum(len(one.record.copies) for one in facts.arrivals if one.record)
    if not copies:
        return None
    words = "copy of its webhook was" if copies == 1 else "copies of its webhook were"
    return Verdict(Cause.DUPLICATE, f"{note} {copies} {words} dropped, so there is one note only.")


def _overtook(facts: Facts, journey: Journey, note: str) -> Verdict | None:
    own = journey.content
    overtaken = [one for one in facts.contents if one is not own and one.reason == Reason.SUPERSEDED]
    events = [one for one in facts.arrivals if one.outcome == "dropped" and one.reason == Reason.SUPERSEDED]
    if not overtaken and not events:
        return None
    return Verdict(
        Cause.SUPERSEDED,
        f"{note} It answers the newest text; what the ticket said before was edited before it was answered.",
    )


def _with_less(content: Content | None, note: str) -> Verdict | None:
    degraded = content.degraded if content else None
    if not degraded:
        return None
    words = f"{note} It says less than usual: {degraded}."
    if any(slow in degraded for slow in _TOO_SLOW):
        return Verdict(Cause.MODEL_TOO_SLOW, words)
    if degraded.startswith("model unavailable") or ", since " in degraded:
        return Verdict(Cause.MODEL_UNAVAILABLE, words)
    return Verdict(Cause.MODEL_REFUSED if degraded.startswith("model refused") else Cause.DEGRADED, words)
