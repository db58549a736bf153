"""confluent_kafka's idempotent producer behind asyncio: a future per record, resolved in batches.

A producer that breaks for good (a fatal error, e.g. a sequence that the brokers don't follow) or falls silent is replaced by a new
one. What was under way in it fails, and may have been written all the same.

A record counts as written only if Kafka says at which offset. Without one, librdkafka also reports records whose request
failed, once a later one of the same partition was acknowledged: the brokers would have refused that one. Yet brokers that don't
know the producer on this partition, as after its start or theirs, take whatever sequence comes first, and the earlier record is
in no log.

While records are under way the loop looks for acknowledgements every 2 ms. A polling thread would hear of them at once, but fights
with the loop for the interpreter's lock: measured on the edge, a third more CPU a webhook and a longer tail.

Neither Faust's own producer (not idempotent, a time-out of 20 minutes) nor aiokafka's idempotent one (breaks for good after a
batch expires without a leader) nor `confluent_kafka.aio` (no headers) serves; measured, see the handbook's decisions.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextvars import copy_context
from functools import cache, partial
from typing import Any, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException
from confluent_kafka import Producer as _Producer

from infra.runtime.kafka import metrics
from infra.runtime.telemetry.logs import get_logger
from infra.runtime.telemetry.process_metrics import CLOCK_SKEW

log = get_logger(__name__)

_seconds = cache(metrics.PUBLISH_SECONDS.labels)  # looking the child up costs as much as observing

Written = Callable[[str, int, int], None]
"""Told topic, partition and offset of each record that every in-sync replica has, before its future is done."""

POLL_SECONDS = 0.002
GRACE_SECONDS = 1.0
A_WHILE = 10.0  # longer than anybody pauses who sends again what failed
COMPARE_SECONDS = 5.0
"""How often our clock is compared with the broker's, at least, while records are sent."""
PROMPT_SECONDS = 0.25
"""Of a record that was acknowledged later nobody knows when within that time it was written."""
BETWEEN_PRODUCERS = 1.0
"""Seconds at least: what breaks every producer at once is not mended by making more of them."""


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

    def __init__(
        self,
        client_config: dict[str, Any],
        *,
        delivery_timeout: float = 30.0,
        linger_ms: int = 1,
        on_written: Written | None = None,
    ) -> None:
        self._on_written = on_written
        self._loop = asyncio.get_running_loop()
        self._config = {
            "queue.buffering.max.kbytes": 64 * 1024,
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
        self._patience = delivery_timeout + GRACE_SECONDS
        self._producer, self._made = self._new(), self._loop.time()
        self._waiting_since: float | None = None
        """When librdkafka was last heard of any record, good or bad, or the first was sent after it was done with all."""
        self._last_sent = -A_WHILE
        self._compared = -A_WHILE
        self._under_way: dict[asyncio.Future[None], float] = {}  # and when each was sent, the oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._outside = copy_context()  # what is found out when polling is no single event's

    def send(self, record: Record, done: asyncio.Future[None] | None = None) -> asyncio.Future[None]:
        """`done`, or a new future. Raises PublishError at once if the local queue is full, or through the future when delivery
        fails."""
        future = done or self._loop.create_future()
        try:
            self._produce(record, future)
        except BufferError as error:
            raise PublishError("the producer's queue is full: Kafka is not keeping up") from error
        except KafkaException as error:
            if not (_fatal(error.args[0]) and self._replace(str(error))):
                raise PublishError(str(error)) from error
            self._produce(record, future)
        now = self._loop.time()
        if self._waiting_since is None or (not self._under_way and now - self._last_sent > A_WHILE):
            self._waiting_since = now
        self._under_way[future] = self._last_sent = now
        if self._timer is None:
            self._timer = self._loop.call_later(POLL_SECONDS, self._poll, context=self._outside)
        return future

    def silent_seconds(self) -> float:
        """For how long librdkafka has said nothing, neither good nor bad, of what it is given again and again. It gives up a record
        by itself in time, so a minute of this means that it is stuck and that a new one was no better."""
        now, since = self._loop.time(), self._waiting_since
        return 0.0 if since is None or now - self._last_sent > self._patience + A_WHILE else now - since

    async def stop(self, patience: float = 5.0) -> int:
        """Sends what is queued; how many records are left unacknowledged after `patience` seconds."""
        until = self._loop.time() + patience
        while self._under_way and self._loop.time() < until:  # noqa: ASYNC110 — librdkafka is asked, it doesn't tell
            await asyncio.sleep(POLL_SECONDS)
        if self._timer:
            self._timer.cancel()
        return len(self._under_way)

    def _produce(self, record: Record, future: asyncio.Future[None]) -> None:
        self._producer.produce(
            record.topic,
            record.value,
            record.key,
            record.partition,
            on_delivery=partial(self._delivered, future, record.topic),
            headers=record.headers,
        )

    def _new(self) -> _Producer:
        return _Producer(self._config)

    def _poll(self) -> None:
        try:
            self._producer.poll(0)
        except KafkaException as error:  # of a fatal error
            self._replace(str(error))
        self._give_up(self._loop.time())
        again = self._loop.call_later(POLL_SECONDS, self._poll, context=self._outside) if self._under_way else None
        self._timer = again

    def _give_up(self, now: float) -> None:
        """On what librdkafka has no word of, though its own timeout is over: who waits must hear something."""
        while self._under_way:
            future, sent = next(iter(self._under_way.items()))
            if now - sent < self._patience:
                break
            del self._under_way[future]
            _fail(future, "Kafka said nothing in time")
            if self._waiting_since is not None and now - self._waiting_since >= self._patience:
                self._replace("it says nothing of its records")

    def _delivered(self, future: asyncio.Future[None], topic: str, error: KafkaError | None, message: Any) -> None:
        """Called by poll(), so on the loop."""
        if (sent := self._under_way.pop(future, None)) is None:
            return
        now = self._loop.time()
        self._waiting_since = now if self._under_way else None
        if error is not None:
            metrics.PUBLISH_ERRORS.labels(topic).inc()
            _fail(future, error.str())
            if _fatal(error):
                self._loop.call_soon(self._replace_broken, self._producer)  # not from within its own poll()
            return
        offset = message.offset()
        if offset is None:
            metrics.PUBLISH_ERRORS.labels(topic).inc()
            _fail(future, "Kafka acknowledged a later record and not this one")
            return
        if self._on_written is not None:
            self._on_written(topic, message.partition(), offset)
        _seconds(topic).observe(now - sent)
        if now - self._compared > COMPARE_SECONDS and now - sent < PROMPT_SECONDS:
            self._compared = now
            _compare_clocks(message.timestamp(), time.time() - (now - sent) / 2)
        if not future.done():
            future.set_result(None)

    def _replace_broken(self, broken: _Producer) -> None:
        if self._producer is broken:
            self._replace("a fatal error")

    def _replace(self, why: str) -> bool:
        """A new producer, unless this one is new itself."""
        now = self._loop.time()
        if now - self._made < BETWEEN_PRODUCERS:
            return False
        log.error("the Kafka producer is broken: going on with a new one", error=why, under_way=len(self._under_way))
        try:
            new = self._new()
        except KafkaException as error:
            log.error("no new Kafka producer could be made", error=str(error))
            return False
        under_way, self._under_way = self._under_way, {}
        for future in under_way:
            _fail(future, f"the producer broke: {why}")
        old, self._producer, self._made = self._producer, new, now
        self._loop.run_in_executor(None, _discard, old)
        return True


def _compare_clocks(written: tuple[int, int], ours: float) -> None:
    """`ours` is half-way between sending and acknowledgement. Only topics with LogAppendTime tell the broker's time."""
    kind, milliseconds = written
    if kind == TIMESTAMP_LOG_APPEND_TIME:
        CLOCK_SKEW.labels("broker").set(ours - milliseconds / 1000)


def _discard(producer: _Producer) -> None:
    """In a thread: the last reference ends here, and librdkafka's threads are waited for."""
    with contextlib.suppress(KafkaException):
        producer.purge()


def _fatal(error: Any) -> bool:
    return isinstance(error, KafkaError) and (error.fatal() or error.code() == KafkaError._FATAL)


def _fail(future: asyncio.Future[None], why: str) -> None:
    if not future.done():
        future.set_exception(PublishError(why))
