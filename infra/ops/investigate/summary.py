"""The four findings that support tells a client, each with ✓ or ✗: received, queued, written, on the ticket."""

from __future__ import annotations

from dataclasses import dataclass

from infra.ops.investigate.causes import Diagnosis
from infra.ops.investigate.facts import Arrival, AtDesk, Content, Facts, Gathered
from infra.ops.investigate.journey import Journey, Status
from infra.ops.investigate.timeline import written_by
from infra.ops.investigate.verdict import clock


@dataclass(frozen=True, slots=True)
class Finding:
    """`good` is None where it can't be told."""

    name: str
    good: bool | None
    detail: str

    @property
    def mark(self) -> str:
        return "?" if self.good is None else "✓" if self.good else "✗"


def findings(facts: Facts, diagnosis: Diagnosis) -> tuple[Finding, ...]:
    journey = diagnosis.journey
    if journey is None:
        return _none_arrived(facts)
    return (
        _received(journey.arrival),
        _queued(journey.arrival),
        _written(journey),
        _on_ticket(facts, diagnosis, journey),
    )


def _none_arrived(facts: Facts) -> tuple[Finding, ...]:
    names = ("Queued", "Enhancement written", "Note on the ticket")
    if facts.letters:
        letter = facts.letters[-1]
        at = letter.original
        queued = f"{at.topic}, partition {at.partition}, offset {at.offset}"
        return (
            Finding("Webhook received", True, f"its event was queued before {clock(letter.first_failed_at)}"),
            Finding("Queued", True, queued),
            Finding("Enhancement written", False, f"set aside by {letter.stage}: {letter.reason}"),
            Finding("Note on the ticket", False, "none was written"),
        )
    own = facts.own_refusals
    unsure = bool(facts.missing.keys() & {"kafka", "postgres"}) or facts.not_looked_at > 0
    detail = (
        f"refused at {clock(own[0].at)} with {own[0].status} ({own[0].reason})"
        if own
        else "no event of this ticket is known"
    )
    good = None if unsure and not own else False
    return (
        Finding("Webhook received", good, detail),
        *(Finding(name, good, "it never came to that") for name in names),
    )


def _received(arrival: Arrival) -> Finding:
    how = f"webhook-id {arrival.delivery_id}" if arrival.delivery_id else (arrival.entered_by or "")
    signed = "signature verified" if arrival.entered_by == "ingest" and arrival.kind != "announced" else ""
    parts = [clock(arrival.received_at), arrival.kind, how, signed]
    return Finding("Webhook received", True, ", ".join(part for part in parts if part))


def _queued(arrival: Arrival) -> Finding:
    at = arrival.position
    return Finding("Queued", True, f"{at.topic}, partition {at.partition}, offset {at.offset}")


def _written(journey: Journey) -> Finding:
    content = journey.content
    name = "Enhancement written"
    if content is not None and content.synthesized_at is not None and journey.has_text:
        return Finding(
            name, True, f"{clock(content.synthesized_at)} by the {_writer(content)}; {_sources(journey.gathered)}"
        )
    if journey.has_text:
        return Finding(name, True, _sources(journey.gathered))
    if journey.arrival.outcome == "dropped":
        return Finding(name, None, f"none is to be: {journey.arrival.reason}")
    return Finding(name, False, _sources(journey.gathered) if journey.gathered else "not yet begun, or not finished")


def _writer(content: Content) -> str:
    return written_by(content)


def _sources(gathered: Gathered | None) -> str:
    if gathered is None:
        return "which sources answered isn't known"
    answered = ", ".join(sorted(gathered.found)) or "none"
    missing = ", ".join(f"{name} ({why})" for name, why in sorted(gathered.missing.items())) or "none"
    return f"sources with something to say: {answered}; missing: {missing}"


def _on_ticket(facts: Facts, diagnosis: Diagnosis, journey: Journey) -> Finding:
    name, content = "Note on the ticket", journey.content
    if diagnosis.place.status is not Status.ANSWERED:
        return Finding(name, False, diagnosis.place.status.value.replace("_", " "))
    note = note_id(facts, journey) or "of an unknown id"
    at = clock(content.posted_at if content else None)
    desk = facts.desk
    if desk is None or (desk.note_there is None and desk.ticket is not AtDesk.GONE):
        return Finding(name, True, f"note {note} was written at {at}; whether the desk still has it couldn't be asked")
    if desk.ticket is AtDesk.GONE or not desk.note_there:
        return Finding(name, False, f"note {note} was written at {at}, and the desk doesn't have it any more")
    return Finding(name, True, f"note {note}, written at {at}; the desk has it")


def note_id(facts: Facts, journey: Journey | None) -> str | None:
    """Of the newest note."""
    if journey is not None and journey.content is not None and journey.content.note_id:
        return journey.content.note_id
    done = [one.note_id for one in facts.intents if one.note_id]
    told = [one.note_id for one in facts.delivered if one.note_id]
    known = done or told
    return known[-1] if known else None
