"""A tap on all topics of the chain: every record as it stands in Kafka, from the first one on."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from schemas.events import DeadLetter
from schemas.topics import Topic
from schemas.wire_format import Codec
from tests.integration.chain.polling import PATIENCE, until

NO_LOGIN: Mapping[str, str] = {}


@dataclass(frozen=True)
class Seen:
    """A record. `headers` in their order, with names that may come twice."""

    topic: Topic
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @cached_property
    def event(self) -> Any:
        """Raises WireError for what is no event."""
        return Codec().decode(self.value, self.topic)

    def header(self, name: str) -> str:
        """Its text, empty where there is none. Fails for one that is there twice."""
        values = [value for found, value in self.headers if found == name]
        assert len(values) <= 1, self.headers
        return values[0].decode() if values else ""


class Tap:
    """Reads in a thread of its own, so that it goes on whatever the event loop does. `login` are librdkafka's settings for one."""

    def __init__(self, kafka: str, prefix: str, partitions: int, login: Mapping[str, str] = NO_LOGIN) -> None:
        self._prefix = prefix
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"{prefix}tap",
                "enable.auto.commit": False,
                "log_level": 0,
                **login,
            }
            | {"fetch.wait.max.ms": 1000, "fetch.message.max.bytes": 4 * 1024 * 1024}
        )
        self._consumer.assign(
            [TopicPartition(t.named(prefix), n, OFFSET_BEGINNING) for t in Topic for n in range(partitions)]
        )
        self._seen: list[Seen] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="tap")
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)
        self._consumer.close()

    def records(self, topic: Topic, partition: int, ticket_id: str | None = None) -> list[Seen]:
        """What was written to a tenant's partition so far, of one ticket if it is named."""
        return [
            one
            for one in list(self._seen)
            if (one.topic, one.partition) == (topic, partition)
            and (ticket_id is None or one.header("ce_subject") == ticket_id)
        ]

    async def first(self, topic: Topic, partition: int, ticket_id: str) -> Seen:
        """A ticket's first record on a topic, once it is there."""
        return (await until(lambda: self.records(topic, partition, ticket_id), f"{ticket_id} on {topic}"))[0]

    async def letter_for(self, topic: Topic, partition: int, offset: int, *, seconds: float = PATIENCE) -> Seen:
        """The dead letter that keeps the record at this position."""
        place = (topic.named(self._prefix), partition, offset)

        def look() -> Seen | None:
            return next((one for one in self.records(Topic.DEAD_LETTERS, partition) if _place(one) == place), None)

        found = await until(look, f"the dead letter of {place}", seconds=seconds)
        assert found
        return found

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.05):
                if message.error() is None:
                    self._seen.append(self._as_seen(message))

    def _as_seen(self, message: Message) -> Seen:
        name, partition, offset = message.topic(), message.partition(), message.offset()
        assert name is not None and partition is not None and offset is not None
        headers: list[Any] = list(message.headers() or [])
        key: Any = message.key()
        value: Any = message.value()
        return Seen(
            Topic(name.removeprefix(self._prefix)),
            partition,
            offset,
            key or b"",
            value or b"",
            tuple((header, text or b"") for header, text in headers),
        )


def _place(seen: Seen) -> tuple[str, int, int]:
    letter = seen.event
    assert isinstance(letter, DeadLetter)
    return letter.original_topic, letter.original_partition, letter.original_offset
