"""A record that can't be handled, as the dead letter that keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infra.runtime.stream.outcomes import DeadLetter
from infra.runtime.stream.record import RawRecord
from infra.runtime.telemetry.trace_context import trace_id
from schemas import events, ids
from schemas.envelope import Envelope
from schemas.events.dead_letter import MAX_ORIGINAL_BYTES, Header
from schemas.topics import Stage

MAX_ERROR_CHARACTERS = 16_000


@dataclass(frozen=True, slots=True)
class Failures:
    """How the record fared before it was given up."""

    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime


def letter(
    record: RawRecord, outcome: DeadLetter, *, stage: Stage, proven: Envelope | None, failures: Failures
) -> events.DeadLetter:
    """The same record at the same stage gives the same id. Tenant and ticket are empty unless the signature proved them."""
    position, value = record.position, record.value
    return events.DeadLetter(
        event_id=ids.derive(position.topic, str(position.partition), str(position.offset), stage.value, "dead-letter"),
        tenant_id=proven.tenant_id if proven else "",
        ticket_id=proven.subject if proven else "",
        stage=stage.value,
        reason=outcome.reason.value,
        error=_writable(outcome.detail[:MAX_ERROR_CHARACTERS]),
        attempts=failures.attempts,
        first_failed_at=failures.first_failed_at,
        last_failed_at=failures.last_failed_at,
        original_topic=position.topic,
        original_partition=position.partition,
        original_offset=position.offset,
        original_headers=tuple(Header(name, value) for name, value in record.headers[:64]),
        original_key=record.key,
        original_value=value if value is not None and len(value) <= MAX_ORIGINAL_BYTES else None,
        original_sha256=record.value_hash,
        original_event_id=proven.id if proven else None,
        trace_id=trace_id(proven.traceparent if proven else None),
    )


def _writable(text: str) -> str:
    """Without lone surrogates, which an exception's text may hold and no encoder takes: the letter must always get away."""
    return text.encode("utf-8", "replace").decode()
