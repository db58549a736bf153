"""What logs and traces say of an event's way through a stage: each try is a span, beginning and end are lines.

Spans by OpenTelemetry's semantic conventions for messaging and Kafka. The part of the trace that a try belongs to is named by its
record's `traceparent`, which no signature covers: good for finding things, proof of nothing.
"""

from __future__ import annotations

from datetime import datetime

from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold
from infra.runtime.stream.ports import HeldEvent
from infra.runtime.stream.record import RawRecord
from infra.runtime.telemetry import logs, tracing
from infra.runtime.telemetry.logs import get_logger
from infra.runtime.telemetry.trace_context import trace_id
from infra.runtime.telemetry.tracing import Kind, Span
from schemas.envelope import Envelope, peek
from schemas.topics import Stage

log = get_logger(__name__)

_OUTCOMES = {Emit: "emit", Drop: "drop", DeadLetter: "dead_letter"}


def outcome_of(outcome: Emit | Drop | DeadLetter) -> tuple[str, str | None]:
    """The words for what became of an event: outcome and reason."""
    return _OUTCOMES[type(outcome)], None if isinstance(outcome, Emit) else outcome.reason.value


def one_try(record: RawRecord, stage: Stage, attempt: int) -> Span:
    """The span of one try, `attempt` from 1 up."""
    if not tracing.on():
        return tracing.NOTHING
    position = record.position
    return tracing.entry(
        f"process {position.topic}",
        Kind.CONSUMER,
        {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": position.topic,
            "messaging.destination.partition.id": str(position.partition),
            "messaging.kafka.offset": position.offset,
            "messaging.consumer.group.name": stage.group(position.topic.removesuffix(stage.consumes.value)),
            "messaging.message.id": peek(record.headers, "ce_id"),
            "attempt": attempt,
        },
        traceparent=peek(record.headers, "traceparent"),
    )


def started(record: RawRecord, stage: Stage, envelope: Envelope, *, attempt: int, now: datetime) -> None:
    """The record is proven to be ours. From now on all lines of this task name its trace, tenant, ticket and event."""
    tracing.current().about(envelope.tenant_id, envelope.subject)
    logs.bind(
        trace_id=trace_id(envelope.traceparent),
        tenant_id=envelope.tenant_id,
        ticket_id=envelope.subject,
        event_id=envelope.id,
    )
    waited = None if record.appended_at is None else round(max(0.0, (now - record.appended_at).total_seconds()), 3)
    log.info(
        "Task started", stage=stage.value, attempt=attempt, waited_seconds=waited, partition=record.position.partition,
        offset=record.position.offset,
    )  # fmt: skip


def held(stage: Stage, tenant_id: str, hold: Hold, event: HeldEvent, seconds: float) -> None:
    """It is put back, for another try after so many seconds."""
    _mark("hold", hold.reason.value)
    tracing.current().set("retry_after", round(seconds, 3))
    log.info(
        "Event held", stage=stage.value, tenant_id=tenant_id, ticket_id=event.ticket_id, event_id=event.event_id,
        reason=hold.reason.value, retry_after=round(seconds, 2), attempts=event.attempts, detail=hold.detail[:300],
    )  # fmt: skip


def completed(
    stage: Stage, outcome: Emit | Drop | DeadLetter, envelope: Envelope | None, seconds: float | None
) -> None:
    """The stage is done with it. `seconds` is how long this try took, None if it was not even looked at."""
    kind, reason = outcome_of(outcome)
    _mark(kind, reason)
    if isinstance(outcome, DeadLetter):
        tracing.current().fail(outcome.reason.value)
    write = log.warning if isinstance(outcome, DeadLetter) else log.info
    write(
        "Task completed", stage=stage.value, tenant_id=envelope.tenant_id if envelope else "",
        ticket_id=envelope.subject if envelope else "", event_id=envelope.id if envelope else "",
        trace_id=trace_id(envelope.traceparent if envelope else None), outcome=kind, reason=reason,
        duration_seconds=None if seconds is None else round(seconds, 3),
    )  # fmt: skip


def left_to_its_next_owner() -> None:
    """The partition was revoked meanwhile."""
    _mark("revoked", None)


def _mark(outcome: str, reason: str | None) -> None:
    span = tracing.current()
    span.set("outcome", outcome)
    if reason is not None:
        span.set("reason", reason)
