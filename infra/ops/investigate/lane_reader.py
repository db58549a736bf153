"""Where the stages stand in a tenant's partition, and whether anybody works there: asked of Kafka for that partition alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from infra.ops.investigate.facts import Lane
from infra.ops.investigate.partition_reader import KafkaAway, away
from infra.ops.lag.commit_metadata import told
from infra.runtime.kafka.extents import EARLIEST, LATEST
from schemas.topics import Stage, Topic

STAGES = (Stage.ENRICH, Stage.SYNTHESIZE, Stage.DELIVER)
"""Through which a ticket goes, in this order."""
_NEVER = -1


class LaneReader:
    """Blocking; what can be is asked at once, and waited for `seconds` in all. Raises KafkaAway."""

    def __init__(self, client_config: Mapping[str, Any], prefix: str, seconds: float) -> None:
        self._prefix, self._seconds = prefix, seconds
        config = {"log_level": 0, "socket.connection.setup.timeout.ms": int(seconds * 1000), **client_config}
        try:
            self._client = AdminClient(config)
        except KafkaException as error:
            raise away(error) from error

    def lanes(self, partition: int) -> dict[Stage, Lane]:
        """Of the stages that a ticket goes through."""
        deadline = time.monotonic() + self._seconds
        places = {stage: TopicPartition(stage.consumes.named(self._prefix), partition) for stage in STAGES}
        groups = {stage: stage.group(self._prefix) for stage in STAGES}
        try:
            # So that who leads the partitions is known: where it has to ask that for itself, librdkafka may miss the answer, and
            # asks again three seconds later.
            self._client.list_topics(timeout=self._seconds)
            committed = {
                stage: self._client.list_consumer_group_offsets(
                    [ConsumerGroupTopicPartitions(groups[stage], [place])], request_timeout=self._seconds
                )[groups[stage]]
                for stage, place in places.items()
            }
            described = self._client.describe_consumer_groups(list(groups.values()), request_timeout=self._seconds)
            first = self._offsets(list(places.values()), EARLIEST)
            ends = self._offsets(list(places.values()), LATEST)
            return {
                stage: _lane(
                    stage,
                    _answer(committed[stage], deadline).topic_partitions[0],
                    (_answer(first[place], deadline).offset, _answer(ends[place], deadline).offset),
                    _work(described[groups[stage]], place, deadline),
                )
                for stage, place in places.items()
            }
        except KafkaException as error:
            raise away(error) from error
        except TimeoutError as error:
            raise KafkaAway(f"Kafka did not answer within {self._seconds:.0f} s") from error

    def ends(self, topic: Topic) -> dict[int, int]:
        """Of every partition of a topic: the offset of the next record."""
        deadline = time.monotonic() + self._seconds
        try:
            name = topic.named(self._prefix)
            numbers = self._client.list_topics(name, timeout=self._seconds).topics[name].partitions
            asked = self._offsets([TopicPartition(name, number) for number in numbers], LATEST)
            return {place.partition: int(_answer(found, deadline).offset) for place, found in asked.items()}
        except KafkaException as error:
            raise away(error) from error
        except TimeoutError as error:
            raise KafkaAway(f"Kafka did not answer within {self._seconds:.0f} s") from error

    def _offsets(self, places: list[TopicPartition], spec: Any) -> dict[TopicPartition, Future[Any]]:
        return self._client.list_offsets(dict.fromkeys(places, spec), request_timeout=self._seconds)


def _answer(future: Future[Any], deadline: float) -> Any:
    return future.result(timeout=max(0.05, deadline - time.monotonic()))


def _work(described: Future[Any], place: TopicPartition, deadline: float) -> tuple[int | None, bool | None]:
    """How many workers the group has, and whether one of them has the partition; None where that can't be told, as while it is
    shared out anew."""
    try:
        group = _answer(described, deadline)
    except (KafkaException, TimeoutError):
        return None, None
    workers = len(group.members)
    if workers and group.state is not ConsumerGroupState.STABLE:
        return workers, None
    owned = {(at.topic, at.partition) for one in group.members for at in one.assignment.topic_partitions}
    return workers, (place.topic, place.partition) in owned


def _lane(stage: Stage, committed: TopicPartition, kept: tuple[int, int], work: tuple[int | None, bool | None]) -> Lane:
    """A group that never committed begins at the first record that is kept."""
    (first, end), (workers, owned) = kept, work
    if committed.offset <= _NEVER:
        return Lane(stage, first, end, 0, workers, owned)
    done, _ = told((committed.metadata or "").encode())
    begins = max(committed.offset, first)
    return Lane(stage, begins, end, done if begins == committed.offset else 0, workers, owned)
