"""Reads single records and small stretches of a partition as an onlooker: assigned, no consumer group, nothing committed.

By offset where it is known, by time where only that is, and where neither is a search through raw headers, newest first or from a
place on, that ends at a time: what it didn't look at is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from infra.ops.replay.spans import raw_record
from infra.runtime.stream.record import RawRecord
from schemas.times import to_milliseconds
from schemas.topics import Topic

ANSWER_SECONDS = 2.0
AT_ONCE = 1000
FIRST_STEP, LONGEST_STEP = 2000, 32_000
SURELY = 0.7
"""The part of the time that is left for which a further step is meant: one that isn't read to its end counts for nothing."""
POLL_SECONDS = 0.1
READ_AHEAD_KBYTES = 8192
_FATAL = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART)

Headers = Sequence[tuple[str, Any]]
Wanted = Callable[[Headers], bool]
"""Whether a record may be one that is looked for, by its headers as they came."""


class KafkaAway(Exception):
    """Kafka didn't answer, or refuses: the text says which."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Offsets from `first` to before `end`."""

    first: int
    end: int

    @property
    def length(self) -> int:
        return max(0, self.end - self.first)


@dataclass(frozen=True, slots=True)
class Search:
    """What was found, in the order of offsets, and how much of the stretch was looked at before the time was over."""

    found: tuple[RawRecord, ...]
    looked_at: Stretch
    asked: Stretch

    @property
    def complete(self) -> bool:
        return self.looked_at.length >= self.asked.length


class PartitionReader:
    """One tenant's partition number in every topic. Blocking, for one thread at a time; every wait is bounded. Raises KafkaAway."""

    def __init__(self, client_config: Mapping[str, Any], prefix: str, partition: int) -> None:
        self._prefix, self._partition = prefix, partition
        try:
            self._consumer = Consumer(
                {
                    **client_config,
                    "group.id": f"ticketstream-onlooker-{uuid4()}",  # required by the library, never used
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "earliest",
                    "fetch.wait.max.ms": 50,
                    "queued.max.messages.kbytes": READ_AHEAD_KBYTES,
                    "socket.connection.setup.timeout.ms": int(ANSWER_SECONDS * 1000),
                    "log_level": 0,
                }
            )
        except KafkaException as error:
            raise KafkaAway(f"Kafka's client: {error.args[0].str()}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(KafkaException, RuntimeError):
            self._consumer.close()

    def extent(self, topic: Topic) -> Stretch:
        """What is kept now."""
        place = TopicPartition(topic.named(self._prefix), self._partition)
        try:
            return Stretch(*self._consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS, cached=False))
        except KafkaException as error:
            raise away(error) from error

    def since(self, topic: Topic, at: datetime, kept: Stretch) -> int:
        """The first offset that the broker wrote at that time or later; `kept.end` where there is none."""
        place = TopicPartition(topic.named(self._prefix), self._partition, max(0, to_milliseconds(at)))
        try:
            (found,) = self._consumer.offsets_for_times([place], timeout=ANSWER_SECONDS)
        except KafkaException as error:
            raise away(error) from error
        return kept.end if found.offset < 0 else max(kept.first, min(found.offset, kept.end))

    def at(self, topic: Topic, offset: int, deadline: float) -> RawRecord | None:
        """The record there; None where it isn't kept any more, or didn't come in time."""
        found = self.forward(topic, Stretch(offset, offset + 1), lambda _: True, deadline).found
        return found[0] if found and found[0].position.offset == offset else None

    def forward(self, topic: Topic, asked: Stretch, wanted: Wanted, deadline: float, *, most: int = 100) -> Search:
        """From the beginning of the stretch on, until `most` are found or the time (monotonic) is over."""
        found, reached = self._read(topic, asked, wanted, deadline, most)
        return Search(tuple(found), Stretch(asked.first, reached), asked)

    def backward(self, topic: Topic, asked: Stretch, wanted: Wanted, deadline: float, *, enough: int = 1) -> Search:
        """From the end of the stretch back, in growing steps, until a step has brought it to `enough` or the time is over."""
        found: list[RawRecord] = []
        first, step = asked.end, FIRST_STEP
        while first > asked.first and len(found) < enough and time.monotonic() < deadline:
            piece, began = Stretch(max(asked.first, first - step), first), time.monotonic()
            more, reached = self._read(topic, piece, wanted, deadline, AT_ONCE)
            if reached < piece.end:  # only its older part: not looked at, for what isn't is to lie in one piece
                found = more + found
                break
            found, first, now = more + found, piece.first, time.monotonic()
            readable = piece.length / (now - began) * (deadline - now) * SURELY
            step = max(FIRST_STEP, min(step * 4, LONGEST_STEP, round(readable)))
        return Search(tuple(found), Stretch(first, asked.end), asked)

    def _read(
        self, topic: Topic, asked: Stretch, wanted: Wanted, deadline: float, most: int
    ) -> tuple[list[RawRecord], int]:
        """Found records, and the offset behind the last one that was looked at."""
        found: list[RawRecord] = []
        reached = asked.first
        if asked.length == 0:
            return found, reached
        try:
            self._consumer.assign([TopicPartition(topic.named(self._prefix), self._partition, asked.first)])
            while reached < asked.end and len(found) < most and time.monotonic() < deadline:
                for message in self._consumer.consume(min(AT_ONCE, asked.end - reached), POLL_SECONDS):
                    reached = max(reached, self._taken(message, asked, wanted, found))
        except KafkaException as error:
            raise away(error) from error
        return found, min(reached, asked.end)

    def _taken(self, message: Message, asked: Stretch, wanted: Wanted, found: list[RawRecord]) -> int:
        if (error := message.error()) is not None:
            if error.fatal() or error.code() in _FATAL:
                raise KafkaAway(f"Kafka refuses to read ({error.str()}): check its access control lists")
            return asked.end if error.code() == KafkaError._PARTITION_EOF else 0
        offset = message.offset()
        if offset is None or offset >= asked.end:
            return asked.end
        if wanted(headers_of(message)):
            found.append(raw_record(message))
        return offset + 1


def headers_of(message: Message) -> Headers:
    try:
        return message.headers() or ()  # type: ignore[return-value]  # its stub allows a mapping, which it never gives
    except UnicodeDecodeError:  # a header whose name is no text: none of ours
        return ()


def about_ticket(ticket_id: str) -> Wanted:
    """By `ce_subject`, undecoded."""
    header = ("ce_subject", ticket_id.encode())
    return lambda headers: header in headers


def away(error: KafkaException) -> KafkaAway:
    return KafkaAway(f"Kafka did not answer ({error.args[0].str()})")
