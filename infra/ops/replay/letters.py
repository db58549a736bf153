"""Dead letters as they stand in their topic: found, read one by one, and told what may become of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import FOR_EVER, Span, Spans
from infra.runtime.keys.directory import KeyVerdict
from infra.runtime.stream.admission import Rejected
from infra.runtime.stream.record import Position, RawRecord, signed_parts
from schemas.envelope import BadEnvelope, parse
from schemas.events import DeadLetter, Event
from schemas.reasons import Reason
from schemas.signature import BadSignatureHeader, parse_signature
from schemas.topics import Stage, Topic
from schemas.wire_format import Codec, WireError

NEVER = frozenset({Reason.BAD_SIGNATURE, Reason.MALFORMED, Reason.WRONG_PARTITION, Reason.TENANT_MISMATCH})
"""Nobody proved that such a record was ours."""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are meant; `since` ≤ the last failure < `until`."""

    tenant_id: str | None = None
    reason: str | None = None
    stage: str | None = None
    ticket_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    tenants: frozenset[str] | None = None
    """Only of these; None for all, and for letters of no tenant."""

    def takes(self, letter: DeadLetter) -> bool:
        if self.tenants is not None and letter.tenant_id not in self.tenants:
            return False
        pairs = (
            (self.tenant_id, letter.tenant_id),
            (self.reason, letter.reason),
            (self.stage, letter.stage),
            (self.ticket_id, letter.ticket_id),
        )
        if any(wanted is not None and wanted != there for wanted, there in pairs):
            return False
        at = letter.last_failed_at
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def __str__(self) -> str:
        named = {
            "tenant": self.tenant_id,
            "reason": self.reason,
            "stage": self.stage,
            "ticket": self.ticket_id,
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
        }
        return ", ".join(f"{name} {value}" for name, value in named.items() if value) or "all"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and the record that it came in."""

    event: DeadLetter
    record: RawRecord


async def spans_of(spans: Spans, partitions: Sequence[int], since: datetime | None) -> list[Span]:
    """Where letters may stand that were written from `since` on, as of now; empty partitions left out. Raises KafkaSilent."""
    found = []
    for partition in partitions:
        span = await spans.all(Topic.DEAD_LETTERS, partition)
        if since is not None and span.first < span.end:  # a letter is written after its last failure
            later = await spans.between(Topic.DEAD_LETTERS, partition, since, FOR_EVER)
            span = replace(span, first=max(span.first, min(later.first, span.end)))
        if span.first < span.end:
            found.append(span)
    return found


async def letters(spans: Spans, span: Span, wanted: LetterFilter, codec: Codec | None = None) -> AsyncIterator[Letter]:
    """Those of one partition that are meant, in their order; what is no letter is passed over. Raises KafkaSilent."""
    at, reading = span.first, codec or Codec()
    while at < span.end:
        batch = await spans.read(span, at)
        at = batch.next_offset
        for record in batch.records:
            try:
                event = reading.decode(record.value or b"", Topic.DEAD_LETTERS)
            except WireError:
                continue
            if wanted.takes(event):
                yield Letter(event, record)


@dataclass(frozen=True, slots=True)
class Replayable:
    """The event that a letter keeps, proven to be its tenant's."""

    stage: Stage
    event: Event
    partition: int
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a letter is never replayed: the reason to count it by, and in words."""

    reason: str
    why: str


@dataclass(frozen=True, slots=True)
class LetterJudge:
    """May a letter's event be handled again? Neither the letter nor what it keeps is believed without its signature."""

    verifying: Verifying
    prefix: str = ""

    async def judge(self, letter: Letter) -> Replayable | Refusal:
        event = letter.event
        if event.reason in NEVER:
            return Refusal(event.reason, "the record was never proven to be ours")
        stage = next((stage for stage in Stage if stage.value == event.stage), None)
        if stage is None or event.original_topic != stage.consumes.named(self.prefix):
            return Refusal("not_replayable", f"{event.stage!r} doesn't consume {event.original_topic!r}")
        if event.original_value is None:
            return Refusal(Reason.TOO_LARGE.value, "the letter doesn't hold the original, which was too large")
        if not await self._is_genuine(letter):
            return Refusal(Reason.BAD_SIGNATURE.value, "the letter's own signature is not that of a stage")
        admitted = await self.verifying.admit(stage.consumes, original(event))
        if isinstance(admitted, Rejected):
            return Refusal(admitted.outcome.reason.value, admitted.outcome.detail)
        if event.tenant_id and admitted.event.tenant_id != event.tenant_id:
            return Refusal(Reason.TENANT_MISMATCH.value, "the letter names another tenant than its original")
        return Replayable(stage, admitted.event, event.original_partition, admitted.traceparent)

    async def _is_genuine(self, letter: Letter) -> bool:
        record = letter.record
        try:
            envelope, header = parse(record.headers)
            key_id, signature = parse_signature(header)
        except (BadEnvelope, BadSignatureHeader):
            return False
        message = signed_parts(record, envelope).message()
        keys = self.verifying.keys
        verdict = keys.verify(key_id, Topic.DEAD_LETTERS, message, signature, at=record.appended_at)
        return verdict is KeyVerdict.VALID and envelope.id == letter.event.event_id


def original(letter: DeadLetter) -> RawRecord:
    """The record that the letter keeps. Its time is the signed one of its header: when the broker wrote it the letter doesn't say,
    and the stage held that against the key when the letter was written."""
    headers = tuple((header.key, header.value) for header in letter.original_headers)
    position = Position(letter.original_topic, letter.original_partition, letter.original_offset)
    return RawRecord(position, letter.original_key, letter.original_value, headers, _signed_time(headers))


def decoded(letter: DeadLetter, codec: Codec) -> tuple[Any, str]:
    """The event that the letter keeps, and "", or None and why it is none; whether it is genuine is not asked."""
    stage = next((stage for stage in Stage if stage.value == letter.stage), None)
    if stage is None:
        return None, f"there is no stage {letter.stage!r}"
    if letter.original_value is None:
        return None, "the letter doesn't hold the original, which was too large"
    try:
        return codec.decode(letter.original_value, stage.consumes), ""
    except WireError as error:
        return None, str(error)


def _signed_time(headers: tuple[tuple[str, bytes | None], ...]) -> datetime | None:
    try:
        envelope, _ = parse(headers)
        at = datetime.fromisoformat(envelope.time)
    except (BadEnvelope, ValueError):
        return None
    return at if at.tzinfo else None
