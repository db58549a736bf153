"""Records as a broker would hand them over: written by the real publisher, signed with real keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from infra.runtime.kafka.producer import Record
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.directory import KeyDirectory, ServiceKey
from infra.runtime.keys.signing import SigningKey
from infra.runtime.stream.fakes import ManualClock
from infra.runtime.stream.record import Position, RawRecord
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.topics import SIGNED_BY, Topic

TENANT, PARTITION = "msp-acme-corp", 3
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KEYS = {service: SigningKey.create(service) for service in ("ingest", "enrich")}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class NoJitter(Random):
    def uniform(self, a: float, b: float) -> float:
        return 1.0


def service_key(service: str, **changes: Any) -> ServiceKey:
    key = KEYS[service]
    topics = tuple(topic.value for topic in SIGNED_BY[service])
    return replace(ServiceKey(key.key_id, service, topics, key.public_key_bytes, LONG_AGO), **changes)


class KeyTable:
    """What a key directory loads from; may be changed. Counts the loads."""

    def __init__(self, *keys: ServiceKey) -> None:
        self.keys, self.loads = list(keys), 0

    async def load(self) -> Sequence[ServiceKey]:
        self.loads += 1
        return list(self.keys)

    def directory(self, clock: ManualClock) -> KeyDirectory:
        return KeyDirectory(self.load, clock=clock, monotonic=lambda: clock.now().timestamp())


class _NoKafka:
    def send(self, record: Record, done: asyncio.Future[None]) -> asyncio.Future[None]:
        raise AssertionError("these tests only build records")


def ticket_received(
    number: int = 1, *, tenant_id: str = TENANT, ticket_id: str = "10042", text: str = "d"
) -> TicketReceived:
    ticket = Ticket(ticket_id, f"VPN down {number}", text)
    return TicketReceived(f"event-{number}", tenant_id, TicketKind.CREATED, ticket, LONG_AGO)


def raw(
    event: Any = None,
    *,
    offset: int = 0,
    partition: int = PARTITION,
    service: str = "ingest",
    traceparent: str | None = TRACE,
) -> RawRecord:
    """The event (by default a TicketReceived) as it stands in `tickets.received`."""
    event = event or ticket_received()
    publisher = Publisher(_NoKafka(), KEYS[service], clock=ManualClock())
    made = publisher.record(event, topic=Topic.TICKETS_RECEIVED, partition=partition, traceparent=traceparent)
    headers = tuple((name, value) for name, value in made.headers if isinstance(value, bytes))
    return RawRecord(Position(made.topic, made.partition, offset), made.key, made.value, headers)


def with_header(record: RawRecord, name: str, value: bytes | None) -> RawRecord:
    """Exchanged, or left out for None."""
    others = [pair for pair in record.headers if pair[0] != name]
    return replace(record, headers=(*others, *([(name, value)] if value is not None else [])))
