"""Publishes events: encoded, enveloped, signed, on the partition that the caller names, acknowledged by Kafka.

What is published within one turn of the event loop is worked on together, one step after the other: each step then finds its own
code still in the processor's caches. Measured on the edge with four webhooks a turn, that takes a tenth off a webhook's CPU, a
fifth with sixteen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.kafka import metrics
from infra.runtime.kafka.producer import Record
from infra.runtime.telemetry import tracing
from schemas.envelope import Envelope
from schemas.signature import Signed, format_signature
from schemas.topics import Topic
from schemas.wire_format import Codec


class Signer(Protocol):
    @property
    def key_id(self) -> str: ...
    @property
    def service(self) -> str: ...
    def sign(self, message: bytes) -> bytes: ...


class Sender(Protocol):
    def send(self, record: Record, done: asyncio.Future[None]) -> Any: ...


class _Outgoing(NamedTuple):
    event: Any
    topic: Topic
    partition: int
    traceparent: str | None


class Publisher:
    """One service's way to write its topics. The record's key is the event's tenant id, in UTF-8."""

    def __init__(
        self,
        producer: Sender,
        signer: Signer,
        *,
        codec: Codec | None = None,
        prefix: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._producer, self._signer = producer, signer
        self._codec, self._prefix, self._clock = codec or Codec(), prefix, clock or SystemClock()
        self._waiting: list[tuple[_Outgoing, asyncio.Future[None]]] = []

    def publish(
        self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None
    ) -> asyncio.Future[None]:
        """Done when every in-sync replica has the record. Fails with PublishError if Kafka doesn't say so in time (it may have
        been written), with `schemas.wire_format.TooLarge` if the event is over 256 KiB."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if tracing.on():
            traceparent = _send_span(event, topic.named(self._prefix), partition, done) or traceparent
        self._waiting.append((_Outgoing(event, topic, partition, traceparent), done))
        if len(self._waiting) == 1:
            loop.call_soon(self._send_waiting)
        return done

    def record(self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None) -> Record:
        """The record that `publish` would send."""
        return self._records([_Outgoing(event, topic, partition, traceparent)])[0]

    def _send_waiting(self) -> None:
        """All of this turn for which somebody still waits."""
        waiting, self._waiting = [(out, done) for out, done in self._waiting if not done.done()], []
        try:
            records = self._records([out for out, _ in waiting])
        except Exception:  # one event's fault is no other's: each by itself
            for out, done in waiting:
                self._send_alone(out, done)
        else:
            for record, (_, done) in zip(records, waiting, strict=True):
                self._send(record, done)

    def _send_alone(self, out: _Outgoing, done: asyncio.Future[None]) -> None:
        try:
            (record,) = self._records([out])
        except Exception as error:
            done.set_exception(error)
        else:
            self._send(record, done)

    def _send(self, record: Record, done: asyncio.Future[None]) -> None:
        try:
            self._producer.send(record, done)
        except Exception as error:
            metrics.PUBLISH_ERRORS.labels(record.topic).inc()
            if not done.done():
                done.set_exception(error)

    def _records(self, outgoing: Sequence[_Outgoing]) -> list[Record]:
        """Encoded, enveloped and signed."""
        values = [self._codec.encode(out.event) for out in outgoing]
        at, service = self._clock.now(), self._signer.service
        envelopes = [Envelope.of(out.event, service=service, at=at, traceparent=out.traceparent) for out in outgoing]
        signed = [
            Signed(
                topic=out.topic.named(self._prefix),
                partition=out.partition,
                key=envelope.tenant_id.encode(),
                id=envelope.id,
                type=envelope.type,
                tenant_id=envelope.tenant_id,
                subject=envelope.subject,
                time=envelope.time,
                value=value,
            )
            for out, envelope, value in zip(outgoing, envelopes, values, strict=True)
        ]
        signatures = [self._signer.sign(message) for message in [one.message() for one in signed]]
        key_id = self._signer.key_id
        return [
            Record(one.topic, one.partition, one.key, one.value, envelope.headers(format_signature(key_id, signature)))
            for one, envelope, signature in zip(signed, envelopes, signatures, strict=True)
        ]


def _send_span(event: Any, topic: str, partition: int, done: asyncio.Future[None]) -> str | None:
    """The traceparent of the span that ends when Kafka has the record; None where nobody records this task. By OpenTelemetry's
    semantic conventions for messaging."""
    span = tracing.span(
        f"send {topic}",
        tracing.Kind.PRODUCER,
        {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.message.id": event.event_id,
        },
    )
    if span is tracing.NOTHING:
        return None

    def acknowledged(done: asyncio.Future[None]) -> None:
        if done.cancelled():
            span.fail("CancelledError")
        elif error := done.exception():
            span.fail(type(error).__name__)
        span.end()

    done.add_done_callback(acknowledged)
    return span.traceparent
