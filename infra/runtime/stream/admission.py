"""Is this record an event of ours? Envelope, signature, tenant, partition and content are held against each other.

A key that is unknown here is the world's fault (it may be minutes old): hold. Everything else that disagrees is the record's.
Where one of our own keys signed a disagreement about the tenant, that is reported as a violation of isolation as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from infra.runtime.keys.directory import KeyVerdict
from infra.runtime.stream.outcomes import DeadLetter, Hold, Scope
from infra.runtime.stream.ports import TenantLimit, TenantLimits
from infra.runtime.stream.record import Input, RawRecord, signed_parts
from infra.runtime.telemetry.isolation import Kind, violation
from infra.runtime.telemetry.trace_context import valid_traceparent
from schemas import wire_format
from schemas.catalogue import BY_TOPIC
from schemas.envelope import BadEnvelope, Envelope, parse
from schemas.events import Event
from schemas.reasons import Reason
from schemas.signature import BadSignatureHeader, parse_signature
from schemas.topics import Topic
from schemas.wire_format import Codec

KEY_RETRY = DISABLED_RETRY = 5.0
TENANT_RETRY = 2.0
"""Seconds after which a record with an unknown key, tenant or a disabled tenant is looked at again."""


class Keys(Protocol):
    def verify(
        self, key_id: str, topic: Topic, message: bytes, signature: bytes, *, at: datetime | None = None
    ) -> KeyVerdict: ...
    async def refresh(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """The record goes no further now. `envelope` is given only where the signature proved it, `event` only where nothing is wrong
    with it but that its tenant is disabled."""

    outcome: Hold | DeadLetter
    envelope: Envelope | None = None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    topic: Topic
    keys: Keys
    limits: TenantLimits
    codec: Codec

    async def admit(self, record: RawRecord) -> Input | Rejected:
        """The input, or why not. Never raises for what a record holds."""
        try:
            envelope, header = parse(record.headers)
            key_id, signature = parse_signature(header)
        except BadEnvelope as error:
            return Rejected(DeadLetter(Reason.MALFORMED, str(error)))
        except BadSignatureHeader as error:
            return Rejected(DeadLetter(Reason.BAD_SIGNATURE, str(error)))
        if refused := await self._verify(record, envelope, key_id, signature):
            if isinstance(refused, DeadLetter):
                self._tell_if_moved(record, envelope, key_id, signature)
            return Rejected(refused)
        limit = self._placed(record, envelope)
        if isinstance(limit, Hold | DeadLetter):
            return Rejected(limit, envelope)
        decoded = self._decoded(record, envelope)
        if isinstance(decoded, Rejected) or limit.enabled:
            return decoded
        hold = Hold(Reason.TENANT_DISABLED, DISABLED_RETRY, Scope.LANE, "tenant enable lets it go on")
        return Rejected(hold, envelope, decoded.event)

    async def _verify(
        self, record: RawRecord, envelope: Envelope, key_id: str, signature: bytes
    ) -> Hold | DeadLetter | None:
        message = signed_parts(record, envelope).message()
        # By the time of writing: a backlog outlives the key that signed it.
        verdict = self.keys.verify(key_id, self.topic, message, signature, at=record.appended_at)
        if verdict is KeyVerdict.UNKNOWN_KEY:
            await self.keys.refresh()
            verdict = self.keys.verify(key_id, self.topic, message, signature, at=record.appended_at)
        if verdict is KeyVerdict.UNKNOWN_KEY:
            return Hold(Reason.KEY_UNKNOWN, KEY_RETRY, Scope.TICKET, f"signing key {key_id!r} is not known here")
        if verdict is not KeyVerdict.VALID:
            return DeadLetter(Reason.BAD_SIGNATURE, f"the signature by key {key_id!r} is not valid for this record")
        return None

    def _tell_if_moved(self, record: RawRecord, envelope: Envelope, key_id: str, signature: bytes) -> None:
        """A record whose signature isn't valid where it stands may be one that was copied out of its tenant's own partition, by
        somebody who may read and write topics: then this tenant's data lies in another's partition."""
        home, here = self.limits.of_tenant(envelope.tenant_id), record.position.partition
        if home is None or home.partition == here or self.limits.of_partition(here) is None:
            return
        message = signed_parts(record, envelope)._replace(partition=home.partition).message()
        if self.keys.verify(key_id, self.topic, message, signature, at=record.appended_at) is KeyVerdict.VALID:
            self._tell(record, envelope, self._owner(here), "copied into another tenant's partition")

    def _tell(self, record: RawRecord, envelope: Envelope, other: str, what: str) -> None:
        """Of a record that one of our keys signed. Names that are no tenant's are for the dead letter, not for an audit log."""
        tenant_id, other = (name if self.limits.of_tenant(name) else "" for name in (envelope.tenant_id, other))
        where = record.position
        place = f"{where.topic}/{where.partition}/{where.offset}"
        violation(Kind.EVENT_FIELDS, tenant_id, other=other, what=what, record=place, event_id=envelope.id)

    def _owner(self, partition: int) -> str:
        limit = self.limits.of_partition(partition)
        return limit.tenant_id if limit else ""

    def _placed(self, record: RawRecord, envelope: Envelope) -> TenantLimit | Hold | DeadLetter:
        """The tenant that the key, the header and the owner of the partition name all three; or what is wrong."""
        if (record.key or b"") != envelope.tenant_id.encode():
            key = (record.key or b"").decode("utf-8", "replace")
            self._tell(record, envelope, key, "the key is not the header's tenant")
            return DeadLetter(Reason.TENANT_MISMATCH, "the record's key is not the tenant of its header")
        if not self.limits.loaded:
            return Hold(Reason.DATABASE_UNAVAILABLE, TENANT_RETRY, Scope.LANE, "the tenants were never read yet")
        limit = self.limits.of_partition(record.position.partition)
        if limit is None:
            detail = f"partition {record.position.partition} belongs to no tenant that is known here"
            return Hold(Reason.TENANT_UNKNOWN, TENANT_RETRY, Scope.LANE, detail)
        if limit.tenant_id != envelope.tenant_id:
            self._tell(record, envelope, limit.tenant_id, "signed for another tenant's partition")
            detail = f"partition {limit.partition} belongs to {limit.tenant_id!r}, the event to {envelope.tenant_id!r}"
            return DeadLetter(Reason.WRONG_PARTITION, detail)
        return limit

    def _decoded(self, record: RawRecord, envelope: Envelope) -> Input | Rejected:
        if envelope.type != BY_TOPIC[self.topic].event_type:
            return Rejected(
                DeadLetter(Reason.MALFORMED, f"{envelope.type!r} does not belong on {self.topic}"), envelope
            )
        try:
            event = self.codec.decode(record.value or b"", self.topic)
        except wire_format.WireError as error:
            return Rejected(DeadLetter(_WIRE_REASONS.get(type(error), Reason.MALFORMED), str(error)), envelope)
        if difference := _difference(event, envelope):
            if event.tenant_id != envelope.tenant_id:
                self._tell(record, envelope, event.tenant_id, "the value's tenant is not the header's")
            return Rejected(DeadLetter(Reason.TENANT_MISMATCH, difference), envelope)
        return Input(event, record.position, record.value_hash, valid_traceparent(envelope.traceparent))


_WIRE_REASONS = {
    wire_format.UnknownSchema: Reason.UNKNOWN_SCHEMA,
    wire_format.TooLarge: Reason.TOO_LARGE,
    wire_format.Malformed: Reason.MALFORMED,
}


def _difference(event: Any, envelope: Envelope) -> str | None:
    pairs = (
        ("event id", event.event_id, envelope.id),
        ("tenant", event.tenant_id, envelope.tenant_id),
        ("ticket id", event.ticket_id, envelope.subject),
    )
    return next(
        (f"the {name} of the value is not that of the header" for name, inside, outside in pairs if inside != outside),
        None,
    )
