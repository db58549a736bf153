"""Stretches of a partition, read as an onlooker: assigned, no consumer group, nothing committed, little held in memory."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.runtime.kafka.asking import ANSWER_SECONDS, asked_until_answered
from infra.runtime.stream.record import Position, RawRecord
from schemas.times import from_milliseconds, to_milliseconds
from schemas.topics import Topic

SILENCE_SECONDS = 20.0
BATCH = 50
BATCH_BYTES = 1024 * 1024
T = TypeVar("T")
_NOWHERE = (Topic.DEAD_LETTERS, -1, -1)
_UP_TO_A_MILLISECOND = timedelta(microseconds=999)
"""Kafka's times are whole milliseconds: the first one that isn't before the moment asked for."""


FOR_EVER = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
"""The end of a window that has none."""


class KafkaSilent(Exception):
    """Kafka didn't answer, or refuses: check KAFKA_BOOTSTRAP_SERVERS, that the brokers run, and the access control lists."""


@dataclass(frozen=True, slots=True)
class Span:
    """The records of one partition from offset `first` to before `end`."""

    topic: Topic
    partition: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Records in their order, and the offset behind the last one that was looked at."""

    records: tuple[RawRecord, ...]
    next_offset: int


class Spans(Protocol):
    async def between(self, topic: Topic, partition: int, since: datetime, until: datetime) -> Span:
        """What the broker wrote from `since` to before `until`, as far as it is still kept. Raises KafkaSilent."""

    async def all(self, topic: Topic, partition: int) -> Span:
        """All that is kept now. Raises KafkaSilent."""

    async def read(self, span: Span, start: int) -> Batch:
        """From `start` on, at most 50 records or about 1 MiB. `next_offset` is `span.end` when nothing is left. Raises
        KafkaSilent."""


class KafkaSpans:
    """One consumer for all partitions, used by one reader at a time. Close it at the end."""

    def __init__(self, client_config: Mapping[str, Any], *, prefix: str = "") -> None:
        self._prefix, self._lock, self._at = prefix, threading.Lock(), _NOWHERE
        self._consumer = Consumer(
            {
                **client_config,
                "group.id": f"ticketstream-onlooker-{uuid4()}",  # required by the library, never used
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 4096,
                "log_level": 0,
            }
        )

    def close(self) -> None:
        with self._lock:
            self._consumer.close()

    async def partitions(self, topic: Topic) -> list[int]:
        """All partition numbers. Raises KafkaSilent, also where there is no such topic."""
        return await asyncio.to_thread(self._partitions, topic)

    async def between(self, topic: Topic, partition: int, since: datetime, until: datetime) -> Span:
        return await asyncio.to_thread(self._between, topic, partition, since, until)

    async def all(self, topic: Topic, partition: int) -> Span:
        return await asyncio.to_thread(self._all, topic, partition)

    async def read(self, span: Span, start: int) -> Batch:
        return await asyncio.to_thread(self._read, span, start)

    def _partitions(self, topic: Topic) -> list[int]:
        name = topic.named(self._prefix)
        found = answered(partial(self._consumer.list_topics, name, timeout=ANSWER_SECONDS)).topics[name]
        if found.error is not None or not found.partitions:
            raise KafkaSilent(f"there is no topic {name}: create the topics with: ticketstream topics ensure")
        return sorted(found.partitions)

    def _between(self, topic: Topic, partition: int, since: datetime, until: datetime) -> Span:
        whole = self._all(topic, partition)
        asked = [
            TopicPartition(topic.named(self._prefix), partition, to_milliseconds(time + _UP_TO_A_MILLISECOND))
            for time in (since, until)
        ]
        found = []
        for one in asked:  # apart: one call takes a partition once
            (answer,) = answered(partial(self._consumer.offsets_for_times, [one], timeout=ANSWER_SECONDS))
            found.append(whole.end if answer.offset < 0 else min(answer.offset, whole.end))
        return Span(topic, partition, max(found[0], whole.first), max(found[1], found[0], whole.first))

    def _all(self, topic: Topic, partition: int) -> Span:
        place = TopicPartition(topic.named(self._prefix), partition)
        first, end = answered(
            partial(self._consumer.get_watermark_offsets, place, timeout=ANSWER_SECONDS, cached=False)
        )
        return Span(topic, partition, first, end)

    def _read(self, span: Span, start: int) -> Batch:
        with self._lock:
            if start >= span.end:
                return Batch((), span.end)
            try:
                return self._collect(span, start)
            except KafkaException as error:
                raise _silent(error) from error

    def _collect(self, span: Span, start: int) -> Batch:
        at, place, self._at = self._at, (span.topic, span.partition, start), _NOWHERE
        if place != at:
            self._consumer.assign([TopicPartition(span.topic.named(self._prefix), span.partition, start)])
        records: list[RawRecord] = []
        reached, size, deadline = start, 0, time.monotonic() + SILENCE_SECONDS
        while reached < span.end and len(records) < BATCH and size < BATCH_BYTES:
            if time.monotonic() > deadline:
                raise KafkaSilent(f"Kafka sent nothing of {span.topic} for {SILENCE_SECONDS:.0f} s")
            for message in self._consumer.consume(_most(span.end - reached, len(records), size), 0.25):
                if (error := message.error()) is not None:
                    reached = max(reached, _end_of_log(error, span))
                    continue
                record = raw_record(message)
                reached = record.position.offset + 1
                if record.position.offset < span.end:
                    records.append(record)
                    size += record.size
                deadline = time.monotonic() + SILENCE_SECONDS
        self._at = (span.topic, span.partition, reached)
        return Batch(tuple(records), min(reached, span.end))


def _most(left: int, got: int, size: int) -> int:
    """How many records to ask for: no more than there can be, since what doesn't come is waited for."""
    return 1 if size > BATCH_BYTES // 2 else min(BATCH - got, left)


def answered(ask: Callable[[], T]) -> T:
    """What Kafka answers, asked again for up to 10 s while a partition's leader changes. Raises KafkaSilent."""
    try:
        return asked_until_answered(ask)
    except KafkaException as error:
        raise _silent(error) from error


def _end_of_log(error: KafkaError, span: Span) -> int:
    """Where the partition ends before the span does, since records were deleted; 0 for what librdkafka mends by itself."""
    if error.code() == KafkaError._PARTITION_EOF:
        return span.end
    if error.fatal() or error.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART):
        raise KafkaSilent(f"Kafka refuses to read {span.topic} ({error.str()}): check its access control lists")
    return 0


def raw_record(message: Message) -> RawRecord:
    """As it came. Raises KafkaSilent for one without a place."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise KafkaSilent("Kafka sent a record without a place")
    kind, milliseconds = message.timestamp()
    headers = tuple((name, _bytes(value)) for name, value in _headers(message))
    at = from_milliseconds(milliseconds) if kind == TIMESTAMP_LOG_APPEND_TIME else None
    return RawRecord(Position(topic, partition, offset), _bytes(message.key()), _bytes(message.value()), headers, at)


def _headers(message: Message) -> list[tuple[str, Any]]:
    try:
        return list(message.headers() or [])  # type: ignore[arg-type]  # its stub allows a mapping, which it never gives
    except UnicodeDecodeError:  # a header whose name is no text: none of ours
        return []


def _bytes(value: Any) -> bytes | None:
    return value if value is None else bytes(value)


def _silent(error: KafkaException) -> KafkaSilent:
    return KafkaSilent(f"Kafka did not answer ({error.args[0].str()}): check KAFKA_BOOTSTRAP_SERVERS and the brokers")
