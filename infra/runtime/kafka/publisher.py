"""Publishes events: encoded, enveloped, signed, on the partition that the caller names, acknowledged by Kafka."""

from __future__ import annotations

import asyncio
import time
from functools import cache
from typing import Any, Protocol

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.kafka.producer import PublishError, Record
from infra.runtime.telemetry import metrics
from schemas.envelope import Envelope
from schemas.signature import Signed, format_signature
from schemas.topics import Topic
from schemas.wire_format import Codec

_seconds = cache(metrics.PUBLISH_SECONDS.labels)  # looking the child up costs as much as observing


class Signer(Protocol):
    @property
    def key_id(self) -> str: ...
    @property
    def service(self) -> str: ...
    def sign(self, message: bytes) -> bytes: ...


class Sender(Protocol):
    def send(self, record: Record) -> asyncio.Future[None]: ...


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

    async def publish(self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None) -> None:
        """Returns when every in-sync replica has the record. Raises PublishError if Kafka doesn't say so in time (it may have
        been written), `schemas.wire_format.TooLarge` if the event is over 256 KiB."""
        record = self.record(event, topic=topic, partition=partition, traceparent=traceparent)
        started = time.monotonic()
        try:
            await self._producer.send(record)
        except PublishError:
            metrics.PUBLISH_ERRORS.labels(topic.value).inc()
            raise
        _seconds(topic.value).observe(time.monotonic() - started)

    def record(self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None) -> Record:
        envelope = Envelope.of(event, service=self._signer.service, at=self._clock.now(), traceparent=traceparent)
        value, key, name = self._codec.encode(event), event.tenant_id.encode(), topic.named(self._prefix)
        signed = Signed(
            topic=name,
            partition=partition,
            key=key,
            id=envelope.id,
            type=envelope.type,
            tenant_id=envelope.tenant_id,
            subject=envelope.subject,
            time=envelope.time,
            value=value,
        )
        signature = format_signature(self._signer.key_id, self._signer.sign(signed.message()))
        return Record(name, partition, key, value, envelope.headers(signature))
