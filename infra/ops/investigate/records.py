"""What Kafka's records tell of a ticket, as facts: each kind of record by a function of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from infra.ops.investigate.facts import Arrival, Emitted, Found, Gathered, Letter
from infra.runtime.keys.directory import KeyDirectory, KeyVerdict
from infra.runtime.stream.record import RawRecord, signed_parts
from infra.runtime.telemetry.trace_context import trace_id
from schemas.envelope import BadEnvelope, parse, peek
from schemas.events import DeadLetter, EnhancementDelivered, EnhancementSynthesized, TicketEnriched, TicketReceived
from schemas.signature import BadSignatureHeader, parse_signature
from schemas.topics import Topic
from schemas.wire_format import Codec, WireError

MOST_ERROR = 300


def found(record: RawRecord) -> Found:
    return Found(
        record.position,
        peek(record.headers, "ce_id"),
        record.appended_at,
        trace_id(peek(record.headers, "traceparent")),
    )


def once(records: Iterable[RawRecord]) -> list[tuple[RawRecord, tuple[int, ...]]]:
    """Each event once, where it stands first, with the offsets of its copies."""
    first: dict[str, RawRecord] = {}
    copies: dict[str, list[int]] = {}
    for record in sorted(records, key=lambda one: one.position.offset):
        name = peek(record.headers, "ce_id")
        at = record.position.offset
        if name in first and first[name].position.offset != at:
            copies.setdefault(name, []).append(at)
        else:
            first.setdefault(name, record)
    return [(record, tuple(dict.fromkeys(copies.get(name, ())))) for name, record in first.items()]


def arrival(record: RawRecord, copies: tuple[int, ...], codec: Codec, keys: KeyDirectory | None) -> Arrival | None:
    """None for what is no event of ours."""
    event = _decoded(record, Topic.TICKETS_RECEIVED, codec)
    if not isinstance(event, TicketReceived):
        return None
    source = peek(record.headers, "ce_source").rpartition("/")[2] or None
    return Arrival(
        event_id=event.event_id,
        kind=event.kind.value,
        received_at=event.received_at,
        position=record.position,
        replay_of=event.replay_of,
        record=replace(found(record), copies=copies),
        delivery_id=event.delivery_id,
        entered_by=source,
        signature=signature(record, keys),
    )


def subject(record: RawRecord, codec: Codec) -> str:
    event = _decoded(record, Topic.TICKETS_RECEIVED, codec)
    return event.ticket.subject if isinstance(event, TicketReceived) else ""


def merged(row: Arrival, record: Arrival | None) -> Arrival:
    """What enrich's row says, with what the record says."""
    if record is None:
        return row
    return replace(
        row,
        record=record.record,
        delivery_id=record.delivery_id,
        entered_by=record.entered_by,
        signature=record.signature,
    )


def gathered(record: RawRecord, copies: tuple[int, ...], codec: Codec) -> Gathered | None:
    event = _decoded(record, Topic.TICKETS_ENRICHED, codec)
    if not isinstance(event, TicketEnriched):
        return None
    return Gathered(
        replace(found(record), copies=copies),
        event.input_id,
        event.enriched_at,
        dict(Counter(item.source for item in event.context)),
        {one.source: one.reason for one in event.missing},
        dict(event.took_ms or {}),
    )


def emitted(record: RawRecord, copies: tuple[int, ...], topic: Topic, codec: Codec) -> Emitted | None:
    event = _decoded(record, topic, codec)
    where = replace(found(record), copies=copies)
    if isinstance(event, EnhancementDelivered):
        outcome = event.outcome.value
        return Emitted(where, event.input_id, outcome, event.reason, event.note_id, event.content_hash)
    if isinstance(event, EnhancementSynthesized):
        return Emitted(where, event.input_id, content_hash=event.content_hash)
    return None


def letter(record: RawRecord, tenant_id: str, ticket_id: str, codec: Codec) -> Letter | None:
    """A dead letter of this ticket; where nobody proved whose its event was, by what that claimed."""
    event = _decoded(record, Topic.DEAD_LETTERS, codec)
    if not isinstance(event, DeadLetter):
        return None
    headers = [(one.key, one.value) for one in event.original_headers]
    tenant = event.tenant_id or peek(headers, "ce_tenantid")
    ticket = event.ticket_id or peek(headers, "ce_subject")
    if (tenant, ticket) != (tenant_id, ticket_id):
        return None
    at = record.position
    return Letter(
        place=f"{at.partition}:{at.offset}",
        stage=event.stage,
        reason=event.reason,
        error=_one_line(event.error),
        attempts=event.attempts,
        first_failed_at=event.first_failed_at,
        last_failed_at=event.last_failed_at,
        original=replace(
            at, topic=event.original_topic, partition=event.original_partition, offset=event.original_offset
        ),
        proven=bool(event.tenant_id),
        trace_id=event.trace_id,
        event_id=event.original_event_id or "",
    )


def signature(record: RawRecord, keys: KeyDirectory | None) -> str:
    """What is known of the record's own signature."""
    try:
        envelope, header = parse(record.headers)
        key_id, signed = parse_signature(header)
    except (BadEnvelope, BadSignatureHeader) as error:
        return f"record not signed by us ({error})"
    if keys is None or not keys.loaded:
        return f"record signed by key {key_id}, not checked: the keys are in the database"
    message = signed_parts(record, envelope).message()
    verdict = keys.verify(key_id, Topic.TICKETS_RECEIVED, message, signed, at=record.appended_at)
    words = {
        KeyVerdict.VALID: "record's signature verified",
        KeyVerdict.UNKNOWN_KEY: "record signed by an unknown key",
    }
    return f"{words.get(verdict, 'record NOT rightly signed')} ({key_id})"


def _decoded(record: RawRecord, topic: Topic, codec: Codec) -> Any:
    try:
        return codec.decode(record.value or b"", topic)
    except WireError:
        return None


def _one_line(text: str) -> str:
    """The last line of an error: of a traceback that is what was raised."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return (lines[-1] if lines else "")[:MOST_ERROR]
