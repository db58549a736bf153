"""DeadLetter: a record that a stage could not handle, kept whole so that it can be looked at and replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

MAX_ORIGINAL_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Header:
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`original_value` is null above 1 MiB: `original_sha256`, topic, partition and offset still find it while it is retained.
    `tenant_id` and `ticket_id` are empty where the record didn't prove them."""

    event_id: str
    tenant_id: str
    ticket_id: str
    stage: str
    reason: str
    error: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    original_topic: str
    original_partition: int
    original_offset: int
    original_headers: tuple[Header, ...]
    original_key: bytes | None
    original_value: bytes | None
    original_sha256: str
    original_event_id: str | None = None
    trace_id: str | None = None
