"""A record as it came from Kafka, and what a stage gets of it once it is proven to be ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from schemas.envelope import Envelope
from schemas.signature import Signed


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands. `topic` is the name on the broker."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class RawRecord:
    position: Position
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    appended_at: datetime | None = None
    """When the broker wrote it, which no producer can choose; None if the topic keeps the producer's time."""
    read_before: bool = False
    """By this process, which then lost the partition or gave it back."""

    @property
    def size(self) -> int:
        """Bytes that the record holds in memory, roughly."""
        return (
            len(self.value or b"")
            + len(self.key or b"")
            + sum(len(name) + len(value or b"") for name, value in self.headers)
        )

    @property
    def value_hash(self) -> str:
        return sha256(self.value or b"").hexdigest()


def signed_parts(record: RawRecord, envelope: Envelope) -> Signed:
    """What the record's signature, if it is ours, was made of; `envelope` is that of its headers."""
    return Signed(
        topic=record.position.topic,
        partition=record.position.partition,
        key=record.key or b"",
        id=envelope.id,
        type=envelope.type,
        tenant_id=envelope.tenant_id,
        subject=envelope.subject,
        time=envelope.time,
        value=record.value or b"",
    )


@dataclass(frozen=True, slots=True)
class Input:
    """What a stage's `process` gets: the event, decoded and verified, and where it came from."""

    event: Any
    position: Position
    value_hash: str
    traceparent: str | None = None
