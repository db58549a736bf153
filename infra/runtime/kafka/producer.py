"""confluent_kafka's idempotent producer behind asyncio: a future per record, resolved in batches.

While records are under way the loop looks for acknowledgements every 2 ms. A polling thread would hear of them at once, but fights
with the loop for the interpreter's lock: measured on the edge, a third more CPU a webhook and a longer tail.

Neither Faust's own producer (not idempotent, a time-out of 20 minutes) nor aiokafka's idempotent one (breaks for good after a
batch expires without a leader) nor `confluent_kafka.aio` (no headers) serves; measured, see the handbook's decisions.
"""

from __future__ import annotations

import asyncio
from functools import cache, partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as _Producer

from infra.runtime.telemetry import metrics

_seconds = cache(metrics.PUBLISH_SECONDS.labels)  # looking the child up costs as much as observing

POLL_SECONDS = 0.002
GRACE_SECONDS = 1.0


class PublishError(Exception):
    """Kafka didn't acknowledge the record in time, or refused it. It may have been written all the same."""


class Record(NamedTuple):
    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


class Producer:
    """Must be made on the event loop that it serves. `send` resolves when every in-sync replica has the record."""

    def __init__(self, client_config: dict[str, Any], *, delivery_timeout: float = 30.0, linger_ms: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._producer = _Producer(
            {
                **client_config,
                "enable.idempotence": True,
                "linger.ms": linger_ms,
                "delivery.timeout.ms": int(delivery_timeout * 1000),
                "request.timeout.ms": int(min(10.0, delivery_timeout) * 1000),
                "message.max.bytes": 2 * 1024 * 1024,
                "queue.buffering.max.messages": 20_000,
                "reconnect.backoff.max.ms": 1000,
                "partitioner": "murmur2_random",
                "log_level": 3,
            }
        )
        self._patience = delivery_timeout + GRACE_SECONDS
        self._under_way: dict[asyncio.Future[None], float] = {}  # and when each was sent, the oldest first
        self._timer: asyncio.TimerHandle | None = None

    def send(self, record: Record, done: asyncio.Future[None] | None = None) -> asyncio.Future[None]:
        """`done`, or a new future. Raises PublishError at once if the local queue is full, or through the future when delivery
        fails."""
        future = done or self._loop.create_future()
        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=partial(self._delivered, future, record.topic),
                headers=record.headers,
            )
        except BufferError as error:
            raise PublishError("the producer's queue is full: Kafka is not keeping up") from error
        except KafkaException as error:
            raise PublishError(str(error)) from error
        self._under_way[future] = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll)
        return future

    async def stop(self, patience: float = 5.0) -> int:
        """Sends what is queued; how many records are left unacknowledged after `patience` seconds."""
        until = self._loop.time() + patience
        while self._under_way and self._loop.time() < until:  # noqa: ASYNC110 — librdkafka is asked, it doesn't tell
            await asyncio.sleep(POLL_SECONDS)
        if self._timer:
            self._timer.cancel()
        return len(self._under_way)

    def _poll(self) -> None:
        self._producer.poll(0)
        self._give_up(self._loop.time())
        self._timer = self._loop.call_later(POLL_SECONDS, self._poll) if self._under_way else None

    def _give_up(self, now: float) -> None:
        """On what librdkafka has no word of, though its own timeout is over: who waits must hear something."""
        while self._under_way:
            future, sent = next(iter(self._under_way.items()))
            if now - sent < self._patience:
                break
            del self._under_way[future]
            _fail(future, "Kafka said nothing in time")

    def _delivered(self, future: asyncio.Future[None], topic: str, error: KafkaError | None, _: Any) -> None:
        """Called by poll(), so on the loop."""
        if (sent := self._under_way.pop(future, None)) is None:
            return
        if error is not None:
            metrics.PUBLISH_ERRORS.labels(topic).inc()
            _fail(future, error.str())
            return
        _seconds(topic).observe(self._loop.time() - sent)
        if not future.done():
            future.set_result(None)


def _fail(future: asyncio.Future[None], why: str) -> None:
    if not future.done():
        future.set_exception(PublishError(why))
