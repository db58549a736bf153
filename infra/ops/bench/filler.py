"""Millions of small events for topics: real headers and keys, no content. They are never handled: the stages' groups are set behind
them, so that they only stand there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.topics import Stage, Topic

VALUE = b"\0" * 48
POLL_EVERY = 5000
FLUSH_SECONDS = 300.0
ANSWER_SECONDS = 20.0
MANY = {
    "linger.ms": 50,
    "batch.size": 1_000_000,
    "batch.num.messages": 10_000,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 262_144,
    "acks": "1",
    "log_level": 0,
}


@dataclass(frozen=True, slots=True)
class Share:
    """So many events on one tenant's partition of a topic."""

    topic: Topic
    tenant_id: str
    partition: int
    count: int


class Filler:
    """Blocking. Ticket ids are numbers from `first_ticket` on, never those of other tickets. Raises RuntimeError where Kafka
    doesn't take them."""

    def __init__(self, client_config: Mapping[str, Any], prefix: str, first_ticket: int) -> None:
        self._config, self._prefix, self._ticket = dict(client_config), prefix, first_ticket

    def fill(self, shares: Iterable[Share], tell: Callable[[str], None] = lambda _: None) -> None:
        producer, began = Producer(self._config | MANY), time.monotonic()
        for share in shares:
            self._fill(producer, share)
            tell(f"{share.count} events on {share.topic} of {share.tenant_id}, {time.monotonic() - began:.0f} s")
        if producer.flush(FLUSH_SECONDS):
            raise RuntimeError("Kafka doesn't take the events: the machine is too busy, or the disk full")

    def _fill(self, producer: Producer, share: Share) -> None:
        name, key, event = share.topic.named(self._prefix), share.tenant_id.encode(), uuid4().bytes
        tenant = share.tenant_id.encode()
        for number in range(share.count):
            self._ticket += 1
            headers: list[tuple[str, str | bytes | None]] = [
                ("ce_specversion", b"1.0"),
                ("ce_id", event),
                ("ce_subject", str(self._ticket).encode()),
                ("ce_tenantid", tenant),
            ]
            while True:
                try:
                    producer.produce(name, VALUE, key, share.partition, headers=headers)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % POLL_EVERY == 0:
                producer.poll(0)

    def behind_all(self, stages: Iterable[Stage], partitions: Iterable[int]) -> None:
        """The groups of the stages, which must have no members now, go on behind all that stands in these partitions."""
        numbers = list(partitions)
        for stage in stages:
            own = {"group.id": stage.group(self._prefix), "enable.auto.commit": False, "log_level": 0}
            consumer = Consumer(self._config | own)
            try:
                places = [TopicPartition(stage.consumes.named(self._prefix), number) for number in numbers]
                ends = [TopicPartition(place.topic, place.partition, self._end(consumer, place)) for place in places]
                consumer.commit(offsets=ends, asynchronous=False)
            finally:
                consumer.close()

    @staticmethod
    def _end(consumer: Consumer, place: TopicPartition) -> int:
        return consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS, cached=False)[1]
