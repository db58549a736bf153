"""One partition number in every topic: where its records begin and end, and deleting them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from infra.runtime.kafka.asking import AGAIN_SECONDS, PASSING
from infra.runtime.kafka.extents import extents
from infra.runtime.kafka.topic_report import BrokersUnreachable, TopicsError
from schemas.topics import Topic

ANSWER_SECONDS = 10.0
DELETE_SECONDS = 30.0
TO_THE_END = -1
PASSES = (*PASSING, KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH)
T = TypeVar("T")


class PartitionRecords:
    """Blocking: call it in a thread. Raises BrokersUnreachable when Kafka doesn't answer or has no leader for the partition now,
    TopicsError when it refuses."""

    def __init__(self, client_config: Mapping[str, Any], prefix: str) -> None:
        self._client = AdminClient({"log_level": 0, "socket.connection.setup.timeout.ms": 5000, **client_config})
        self._topics = [topic.named(prefix) for topic in Topic]

    def extents(self, partition: int) -> dict[str, tuple[int, int]]:
        """By topic: the first offset that can be read, and the end (the next to be written)."""
        places = [(topic, partition) for topic in self._topics]

        def ask() -> dict[str, tuple[int, int]]:
            return {topic: found for (topic, _), found in extents(self._client, places, ANSWER_SECONDS).items()}

        return self._told(f"tell the offsets of partition {partition}", ask)

    def delete(self, partition: int) -> None:
        """All records up to the end as it is now. They can't be read any more when this returns; the brokers drop them from
        their disks with the segment of the log that they stand in, at the latest when the topic's retention is over."""
        places = [TopicPartition(topic, partition, TO_THE_END) for topic in self._topics]

        def ask() -> None:
            for answer in self._client.delete_records(
                places, operation_timeout=DELETE_SECONDS, request_timeout=DELETE_SECONDS + 5
            ).values():
                answer.result(timeout=DELETE_SECONDS + 10)

        self._told(f"delete the records of partition {partition}", ask)

    def _told(self, what: str, ask: Callable[[], T]) -> T:
        """Asked again while the leader changes, with fresh metadata: without, an old leader's epoch would be refused for ever."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return ask()
            except TimeoutError as error:
                raise BrokersUnreachable(f"Kafka did not {what} in time. Try again.") from error
            except KafkaException as error:
                cause = error.args[0]
                said = f"Kafka did not {what}: {cause.str()} ({cause.name()})"
                if not (cause.code() in PASSES or cause.retriable()):
                    raise TopicsError(said) from error
                if time.monotonic() > deadline:
                    raise BrokersUnreachable(said) from error
            with suppress(KafkaException):
                self._client.list_topics(timeout=ANSWER_SECONDS)
            time.sleep(AGAIN_SECONDS)
