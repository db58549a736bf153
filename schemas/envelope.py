"""The headers of a record: CloudEvents 1.0 in Kafka's binary mode, with `traceparent` and our signature.

Source: CloudEvents 1.0.2, Kafka protocol binding, section 3.2; W3C Trace Context.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from schemas import catalogue
from schemas.times import rfc3339

CONTENT_TYPE = "application/vnd.confluent.avro"
MAX_HEADER_BYTES = 1024
REQUIRED = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_tenantid", "signature")


class BadEnvelope(ValueError):
    """The record's headers are not those of an event of ours; the text says which."""


class Envelope(NamedTuple):
    """An event's headers. `subject` is the ticket id, `source` the service that wrote it, `time` RFC 3339 text."""

    id: str
    type: str
    source: str
    subject: str
    time: str
    tenant_id: str
    traceparent: str | None = None

    @classmethod
    def of(cls, event: Any, *, service: str, at: datetime, traceparent: str | None = None) -> Envelope:
        return cls(
            id=event.event_id,
            type=catalogue.NEWEST[type(event)].event_type,
            source=f"/ticketstream/{service}",
            subject=event.ticket_id,
            time=rfc3339(at),
            tenant_id=event.tenant_id,
            traceparent=traceparent,
        )

    def headers(self, signature: str) -> list[tuple[str, str | bytes | None]]:
        pairs = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_type", self.type),
            ("ce_source", self.source),
            ("ce_subject", self.subject),
            ("ce_time", self.time),
            ("ce_tenantid", self.tenant_id),
            ("content-type", CONTENT_TYPE),
            ("signature", signature),
        ]
        if self.traceparent:
            pairs.append(("traceparent", self.traceparent))
        return [(name, value.encode()) for name, value in pairs]


def parse(headers: Iterable[tuple[str, bytes | None]]) -> tuple[Envelope, str]:
    """Envelope and signature header. Raises BadEnvelope for what is missing, doubled, oversized or not UTF-8."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name not in REQUIRED and name != "traceparent":
            continue
        if name in found:
            raise BadEnvelope(f"header {name} is there twice")
        found[name] = _text(name, value)
    if missing := [name for name in REQUIRED if name not in found]:
        raise BadEnvelope(f"headers missing: {', '.join(missing)}")
    if found["ce_specversion"] != "1.0":
        raise BadEnvelope("ce_specversion is not 1.0")
    envelope = Envelope(
        id=found["ce_id"],
        type=found["ce_type"],
        source=found["ce_source"],
        subject=found["ce_subject"],
        time=found["ce_time"],
        tenant_id=found["ce_tenantid"],
        traceparent=found.get("traceparent"),
    )
    return envelope, found["signature"]


def peek(headers: Iterable[tuple[str, bytes | None]], name: str) -> str:
    """One header's text before anything is verified, "" if it isn't there or isn't text: good only for queueing."""
    for key, value in headers:
        if key == name and value is not None and len(value) <= MAX_HEADER_BYTES:
            return value.decode("utf-8", "replace")
    return ""


def _text(name: str, value: bytes | None) -> str:
    if value is None or len(value) > MAX_HEADER_BYTES:
        raise BadEnvelope(f"header {name} is empty or longer than {MAX_HEADER_BYTES} bytes")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadEnvelope(f"header {name} is not UTF-8") from error
