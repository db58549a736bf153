"""A ticket's facts in the order of time: one line for each thing that happened, with where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.ops.investigate.facts import Arrival, Content, Facts, Found, Gathered, Hold, Intent, Letter
from infra.ops.investigate.verdict import tries
from infra.ops.onboarding.refusal_causes import cause
from infra.runtime.stream.record import Position
from schemas.times import rfc3339
from schemas.topics import Stage

EDGE = "edge"


@dataclass(frozen=True, slots=True)
class Happening:
    """`stage` is a stage's name, `edge`, `desk` or `feedback`. Without `at` nobody wrote down when."""

    at: datetime | None
    stage: str
    what: str
    detail: str = ""
    position: Position | None = None

    def as_json(self) -> dict[str, Any]:
        place = self.position
        return {
            "at": rfc3339(self.at) if self.at else None,
            "stage": self.stage,
            "what": self.what,
            "topic": place.topic if place else None,
            "partition": place.partition if place else None,
            "offset": place.offset if place else None,
            "detail": self.detail,
        }


def timeline(facts: Facts) -> list[Happening]:
    """Oldest first; what has no time stands last."""
    found = [
        *_refusals(facts),
        *(one for arrival in facts.arrivals for one in _arrival(arrival)),
        *(_gathered(one) for one in facts.gathered),
        *(one for content in facts.contents for one in _content(facts, content)),
        *(one for intent in facts.intents for one in _intent(intent)),
        *(_emitted(facts, Stage.DELIVER, one.record, one.outcome) for one in facts.delivered),
        *(_hold(one) for one in facts.holds),
        *(_letter(one) for one in facts.letters),
        *_opinions(facts),
    ]
    return sorted(found, key=lambda one: (one.at is None, one.at or facts.now))


def _refusals(facts: Facts) -> Iterator[Happening]:
    for one in facts.own_refusals:
        times = f" ({one.times} times)" if one.times > 1 else ""
        yield Happening(one.at, EDGE, f"refused with {one.status}{times}", f"{one.reason}: {cause(one)}")


def _arrival(arrival: Arrival) -> Iterator[Happening]:
    by = f"webhook-id {arrival.delivery_id}" if arrival.delivery_id else (arrival.entered_by or "")
    signed = _signature(arrival)
    told = ", ".join(part for part in (f"kind {arrival.kind}", by, signed) if part)
    yield Happening(arrival.received_at, EDGE, "received", told)
    record = arrival.record
    copies = _copies(record)
    at = record.at if record and record.at else arrival.received_at
    yield Happening(at, EDGE, "queued", copies, arrival.position)
    if arrival.admitted_at is not None:
        yield Happening(arrival.admitted_at, Stage.ENRICH.value, "started")
    if arrival.outcome == "dropped":
        yield Happening(arrival.done_at, Stage.ENRICH.value, "dropped", arrival.reason or "")


def _signature(arrival: Arrival) -> str:
    """Of the webhook and of the record: only what the edge verified gets into the topic."""
    if arrival.entered_by is None:
        return ""
    webhook = {"ingest": "webhook's signature verified by the edge", "reconcile": "fed in by reconcile, no webhook"}
    of_webhook = webhook.get(arrival.entered_by, f"written by {arrival.entered_by}, no webhook")
    if arrival.kind == "announced":
        of_webhook = "unsigned webhook by its bearer secret"
    return f"{of_webhook}; {arrival.signature}" if arrival.signature else of_webhook


def _gathered(one: Gathered) -> Happening:
    sources = ", ".join(f"{name} {count}" for name, count in sorted(one.found.items())) or "no source had anything"
    missing = ", ".join(f"{name}: {why}" for name, why in sorted(one.missing.items()))
    took = one.took_ms.get("total")
    parts = [f"answered: {sources}", f"missing: {missing}" if missing else "", f"{took} ms" if took is not None else ""]
    detail = "; ".join(part for part in (*parts, _copies(one.record)) if part)
    return Happening(one.enriched_at, Stage.ENRICH.value, "context gathered", detail, one.record.position)


def _content(facts: Facts, content: Content) -> Iterator[Happening]:
    if content.synthesized_at is not None:
        record = next((one.record for one in facts.synthesized if one.content_hash == content.content_hash), None)
        took = _since_context(facts, content)
        detail = "; ".join(part for part in (written_by(content), took, _copies(record)) if part)
        position = record.position if record else None
        yield Happening(content.synthesized_at, Stage.SYNTHESIZE.value, "note written", detail, position)
    if content.status == "dropped":
        stage = Stage.DELIVER if content.synthesized_at else Stage.SYNTHESIZE
        arrivals = {one.event_id: one for one in facts.arrivals}
        arrival = arrivals.get(content.event_id)
        if arrival is None or arrival.outcome != "dropped":
            yield Happening(content.updated_at, stage.value, "dropped", content.reason or "")
    if content.status == "failed" and not facts.letters:
        yield Happening(content.updated_at, "", "failed", f"{content.reason}: {(content.error or '')[:300]}")


def _since_context(facts: Facts, content: Content) -> str:
    """How long it took, the wait for its turn included."""
    own = next((one for one in facts.gathered if one.input_id == content.event_id), None)
    if own is None or content.synthesized_at is None or content.synthesized_at < own.enriched_at:
        return ""
    return f"{(content.synthesized_at - own.enriched_at).total_seconds():.1f} s after its context"


def written_by(content: Content) -> str:
    """Who wrote a text and what it took."""
    writer = f"model {content.model}" if content.model else "built-in writer"
    tokens = (content.prompt_tokens or 0) + (content.completion_tokens or 0)
    cost = f", ${content.cost_usd:.4f}" if content.cost_usd is not None else ""
    used = f", {tokens} tokens{cost}" if tokens or cost else ""
    degraded = f"; less than usual: {content.degraded}" if content.degraded else ""
    return f"{writer}{used}{degraded}"


def _intent(intent: Intent) -> Iterator[Happening]:
    deliver = Stage.DELIVER.value
    yield Happening(intent.created_at, deliver, "started")
    if intent.done_at is None and intent.sent_at is not None:
        yield Happening(intent.sent_at, deliver, "note sent", "the desk may have it: nobody knows yet")
    if intent.done_at is not None:
        took = f"{(intent.done_at - intent.created_at).total_seconds():.1f} s"
        yield Happening(intent.done_at, deliver, "note on the ticket", f"note {intent.note_id}, {took} after it began")


def _emitted(facts: Facts, stage: Stage, record: Found, outcome: str) -> Happening:
    detail = "; ".join(part for part in (outcome, _copies(record)) if part)
    return Happening(record.at, stage.value, "told", detail, record.position)


def _hold(hold: Hold) -> Happening:
    deaths = f", {hold.deaths} deaths of its worker" if hold.deaths else ""
    detail = (
        f"{hold.reason}, scope {hold.scope}, {tries(hold.attempts)}{deaths}, until {rfc3339(hold.until, 'seconds')}"
    )
    said = f"{detail}: {hold.detail}" if hold.detail else detail
    return Happening(hold.first_failed_at, hold.stage.value, "held", said, hold.position)


def _letter(letter: Letter) -> Happening:
    detail = f"{letter.reason}, {tries(letter.attempts)}, letter {letter.place}: {letter.error}"
    return Happening(letter.last_failed_at, letter.stage, "dead letter", detail, letter.original)


def _opinions(facts: Facts) -> Iterator[Happening]:
    for one in facts.opinions:
        rating = f" {one.rating} of 5" if one.rating is not None else ""
        yield Happening(one.at, "feedback", f"{one.kind.value}{rating}", "with a comment" if one.commented else "")


def _copies(record: Found | None) -> str:
    if record is None or not record.copies:
        return ""
    return f"written {1 + len(record.copies)} times, also at {', '.join(str(offset) for offset in record.copies)}"
