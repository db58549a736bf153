"""When the first record that isn't handled was written, by the broker's clock. Blocking: use it in a thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Consumer, KafkaException, Message, TopicPartition

Place = tuple[str, int, int]
"""Topic on the broker, partition, offset."""
READ_SECONDS = 10.0


class AgeReader:
    """Keeps what it found for the next call, which asks for most of the places again."""

    def __init__(self, config: Mapping[str, Any], *, read_seconds: float = READ_SECONDS) -> None:
        self._read_seconds = read_seconds
        self._known: dict[Place, float | None] = {}
        self._consumer = Consumer(
            {
                **config,
                "group.id": f"ticketstream-onlooker-{uuid4()}",  # required by the library, never used
                "enable.auto.commit": False,
                "queued.min.messages": 1,  # of each partition one record is wanted
                "fetch.message.max.bytes": 1024,  # the broker sends a larger one whole
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()

    def appended_at(self, places: Iterable[Place]) -> dict[Place, float | None]:
        """Unix seconds at which the record at each place, or the next after it, was written. None where it isn't known: Kafka
        didn't answer in time, or the topic keeps the producers' times."""
        asked = list(places)
        self._known = {place: self._known[place] for place in asked if place in self._known}
        missing = {(topic, number): (topic, number, offset) for topic, number, offset in asked}
        missing = {at: place for at, place in missing.items() if place not in self._known}
        if missing:
            self._consumer.assign([TopicPartition(*place) for place in missing.values()])
            self._read(missing)
            self._consumer.unassign()
        return {place: self._known.get(place) for place in asked}

    def _read(self, missing: dict[tuple[str, int], Place]) -> None:
        deadline = time.monotonic() + self._read_seconds
        while missing and time.monotonic() < deadline:
            try:
                messages = self._consumer.consume(100, 0.1)
            except KafkaException:
                return
            for message in messages:
                if message.error() is None and (place := missing.pop(_at(message), None)):
                    self._known[place] = _time(message)
                    self._consumer.pause([TopicPartition(place[0], place[1])])


def _at(message: Message) -> tuple[str, int]:
    return message.topic() or "", message.partition() or 0


def _time(message: Message) -> float | None:
    kind, milliseconds = message.timestamp()
    return milliseconds / 1000 if kind == TIMESTAMP_LOG_APPEND_TIME else None
