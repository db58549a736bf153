"""Records written past the edge: rightly signed ones, and ones with something wrong about them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from confluent_kafka import Message, Producer

from infra.runtime.kafka.producer import Record as SignedRecord
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.signing import SigningKey
from schemas.events import (
    EnhancementSynthesized,
    FeedbackSubmitted,
    FeedbackType,
    Requester,
    Ticket,
    TicketEnriched,
    TicketKind,
    TicketReceived,
    Writer,
)
from schemas.signature import Signed, format_signature
from schemas.topics import SIGNED_BY, Stage, Topic
from tests.integration.chain.running_chain import PREFIX, RunningChain


class NoSender:
    """In place of a producer: the records are written by hand here."""

    def send(self, record: SignedRecord, done: asyncio.Future[None]) -> asyncio.Future[None]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Position:
    topic: Topic
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Forger:
    """Has every service's key, as nobody should."""

    chain: RunningChain
    prefix: str = PREFIX

    def key(self, topic: Topic) -> SigningKey:
        """The key of the service that writes the topic."""
        service = next(name for name, topics in SIGNED_BY.items() if topic in topics)
        return SigningKey.load(self.chain.stack.state_dir / "secrets" / "signing" / f"{service}.pem", service=service)

    def signed(self, event: Any, topic: Topic, partition: int) -> SignedRecord:
        """As the service itself would write it."""
        return Publisher(NoSender(), self.key(topic), prefix=self.prefix).record(
            event, topic=topic, partition=partition
        )

    def with_value(self, record: SignedRecord, topic: Topic, value: bytes) -> SignedRecord:
        """The same record with another value, signed anew."""
        texts = {name: str(text, "utf-8") for name, text in record.headers if isinstance(text, bytes)}
        signer = self.key(topic)
        message = Signed(
            topic=record.topic,
            partition=record.partition,
            key=record.key,
            id=texts["ce_id"],
            type=texts["ce_type"],
            tenant_id=texts["ce_tenantid"],
            subject=texts["ce_subject"],
            time=texts["ce_time"],
            value=value,
        ).message()
        forged = with_signature(record, format_signature(signer.key_id, signer.sign(message)))
        return forged._replace(value=value)

    async def write(self, record: SignedRecord) -> Position:
        """Where Kafka put it."""
        return await asyncio.to_thread(self._write, record)

    def _write(self, record: SignedRecord) -> Position:
        producer = Producer({"bootstrap.servers": self.chain.kafka, "message.max.bytes": 2_000_000, "log_level": 0})
        placed: list[Message] = []
        errors: list[Any] = []

        def delivered(error: Any, message: Message) -> None:
            (errors if error else placed).append(error or message)

        producer.produce(
            record.topic,
            record.value,
            record.key,
            partition=record.partition,
            headers=record.headers,
            on_delivery=delivered,
        )
        producer.flush(10)
        assert placed and not errors, errors
        offset = placed[0].offset()
        assert offset is not None
        return Position(Topic(record.topic.removeprefix(self.prefix)), record.partition, offset)


def with_signature(record: SignedRecord, signature: str) -> SignedRecord:
    headers = [(name, text) for name, text in record.headers if name != "signature"]
    return record._replace(headers=[*headers, ("signature", signature.encode())])


def example(stage: Stage, tenant_id: str) -> Any:
    """An event that the stage would handle, about a ticket that no desk has."""
    received = ticket_received(tenant_id)
    now = received.received_at
    match stage:
        case Stage.ENRICH:
            return received
        case Stage.SYNTHESIZE:
            return TicketEnriched.following(received, context=(), missing=(), took_ms={}, at=now)
        case Stage.DELIVER:
            return EnhancementSynthesized(
                event_id=str(uuid4()), input_id=str(uuid4()), tenant_id=tenant_id, ticket_id=received.ticket_id,
                enhancement_id=str(uuid4()), text="## Steps\n\n1. Look.", citations=(), writer=Writer.BUILTIN,
                content_hash=received.ticket.content_hash, received_at=now, enriched_at=now, synthesized_at=now,
            )  # fmt: skip
        case Stage.FEEDBACK_AGGREGATE:
            return FeedbackSubmitted(
                str(uuid4()), tenant_id, received.ticket_id, FeedbackType.THUMBS_UP, submitted_at=now
            )


def ticket_received(tenant_id: str, ticket_id: str | None = None) -> TicketReceived:
    """As the edge writes it."""
    ticket = Ticket(
        ticket_id=ticket_id or f"F-{uuid4().hex[:8]}",
        subject="No network in the class room",
        description="New tablets get no address.",
        requester=Requester("7", "Class Room", "room@school.example"),
        status="Open",
    )
    return TicketReceived(str(uuid4()), tenant_id, TicketKind.CREATED, ticket, datetime.now(UTC))
