"""Dead letters since a moment, counted: with few questions to Kafka, however many partitions there are."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
from infra.ops.cli.surroundings import Surroundings
from schemas.events import DeadLetter
from schemas.times import to_milliseconds
from schemas.topics import Topic
from schemas.wire_format import Codec, WireError

ANSWER_SECONDS = 1.2
READ_SECONDS = 1.0
MOST_READ = 500


class KafkaAway(Exception):
    """Kafka gives no answer, or refuses."""


@dataclass(slots=True)
class Letters:
    """How many by reason and tenant (empty where none is proven); `more` were too many to be read."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    more: int = 0

    @property
    def tenants(self) -> set[str]:
        return {tenant_id for _, tenant_id in self.counts if tenant_id}


async def letters_since(around: Surroundings, since: datetime) -> Letters:
    """Of all tenants. Raises KafkaAway, Failure where Kafka's address isn't known."""
    config = client_config(dict(around.variables))
    name = Topic.DEAD_LETTERS.named(around.topic_prefix)
    return await asyncio.to_thread(_letters, config, name, to_milliseconds(since))


def _letters(config: dict[str, object], name: str, since: int) -> Letters:
    """Blocking, for a little more than 3 s at the very most."""
    with kafka_variables_checked():
        onlooker = {"group.id": f"ticketstream-onlooker-{uuid4()}", "enable.auto.commit": False, "log_level": 0}
        consumer = Consumer({**config, **onlooker, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50})
    try:
        return _read(consumer, name, since)
    except KafkaException as error:
        raise KafkaAway(f"Kafka gives no answer ({error.args[0].str()})") from None
    finally:
        consumer.close()


def _read(consumer: Consumer, name: str, since: int) -> Letters:
    found = consumer.list_topics(name, timeout=ANSWER_SECONDS).topics[name]
    if found.error is not None:
        raise KafkaAway(f"Kafka has no {name} for us ({found.error.str()})")
    asked = [TopicPartition(name, number, since) for number in found.partitions]
    starts = [one for one in consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS) if one.offset >= 0]
    ends = {one.partition: _end(consumer, one) for one in starts}
    wanted = sum(ends[one.partition] - one.offset for one in starts)
    letters, read = Letters(), 0
    if starts:
        consumer.assign(starts)
    deadline = time.monotonic() + READ_SECONDS
    while read < min(wanted, MOST_READ) and time.monotonic() < deadline:
        for message in consumer.consume(MOST_READ, 0.1):
            if message.error() is None:
                read += 1
                _count(letters, message)
    letters.more = max(0, wanted - read)
    return letters


def _end(consumer: Consumer, place: TopicPartition) -> int:
    end: int = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS, cached=False)[1]
    return end


def _count(letters: Letters, message: Message) -> None:
    try:
        event = Codec().decode(message.value() or b"", Topic.DEAD_LETTERS)
    except WireError:
        return
    if isinstance(event, DeadLetter):
        letters.counts[str(event.reason), event.tenant_id or ""] += 1
