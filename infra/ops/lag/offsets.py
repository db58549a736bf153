"""Where each stage's consumer group stands: committed, end and done beyond, per partition. Blocking: use it in a thread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # not marked as exported

from infra.runtime.kafka.asking import ANSWER_SECONDS, asked_until_answered
from schemas.topics import Stage

T = TypeVar("T")
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_AHEAD = re.compile(r"^ahead=(\d{1,9})")


class LagUnknown(RuntimeError):
    """Kafka didn't say where a group stands, so its lag isn't known. `cure` says what to do."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.cure = cure


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """`next` is the offset of the first record that isn't handled (what is committed), `end` that of the next to be written,
    `done` how many between them are handled."""

    next: int
    end: int
    done: int = 0

    @property
    def lag(self) -> int:
        return max(0, self.end - self.next - self.done)


class OffsetReader:
    """Raises LagUnknown rather than guess."""

    def __init__(self, config: Mapping[str, Any], prefix: str = "") -> None:
        self._prefix = prefix
        own = {"log_level": 0, "socket.connection.setup.timeout.ms": 5000, **config}
        self._admin = AdminClient(own)
        # The admin client's question for a group's offsets ends the process where the group's coordinator just moved, or Kafka is
        # new (librdkafka 2.16): so a consumer of the group asks, which never joins it.
        self._groups = {
            stage: Consumer({**own, "group.id": stage.group(prefix), "enable.auto.commit": False}) for stage in Stage
        }

    def read(self) -> dict[Stage, dict[int, PartitionLag]]:
        """Every stage, every partition of what it consumes. What is committed is read first: a lag is never too small."""
        partitions = {stage: self._partitions(stage) for stage in Stage}
        committed = {stage: self._committed(stage, partitions[stage]) for stage in Stage}
        asked = [TopicPartition(self._topic(stage), number) for stage in Stage for number in partitions[stage]]
        first, end = self._offsets(asked, _EARLIEST), self._offsets(asked, _LATEST)
        found: dict[Stage, dict[int, PartitionLag]] = {}
        for stage in Stage:
            places = [(self._topic(stage), number) for number in partitions[stage]]
            found[stage] = {at[1]: _lag(committed[stage].get(at[1]), first[at], end[at]) for at in places}
        return found

    def _topic(self, stage: Stage) -> str:
        return stage.consumes.named(self._prefix)

    def _partitions(self, stage: Stage) -> list[int]:
        name = self._topic(stage)
        try:
            topic = self._admin.list_topics(name, timeout=ANSWER_SECONDS).topics[name]
        except KafkaException as error:
            raise _unreachable(error) from error
        if topic.error is not None or not topic.partitions:
            raise LagUnknown(f"there is no topic {name}", "create the topics with: ticketstream topics ensure")
        return sorted(topic.partitions)

    def _committed(self, stage: Stage, partitions: list[int]) -> dict[int, tuple[int, int]]:
        """Offset and what is done beyond, of those partitions where anything was ever committed."""
        group, asked = stage.group(self._prefix), [TopicPartition(self._topic(stage), number) for number in partitions]
        try:
            found = asked_until_answered(partial(self._groups[stage].committed, asked, timeout=ANSWER_SECONDS))
        except KafkaException as error:
            raise _unreachable(error) from error
        except UnicodeDecodeError as error:  # metadata that isn't a stage's: somebody else commits for the group
            raise LagUnknown(
                f"the commits of group {group} can't be read", "find out which other program uses the group"
            ) from error
        if wrong := next((at.error for at in found if at.error is not None), None):
            raise _unreachable(KafkaException(wrong))
        return {at.partition: (at.offset, _ahead(at.metadata)) for at in found if at.offset >= 0}

    def _offsets(self, asked: list[TopicPartition], which: OffsetSpec) -> dict[tuple[str, int], int]:
        answers = self._admin.list_offsets(dict.fromkeys(asked, which), request_timeout=ANSWER_SECONDS)
        return {(at.topic, at.partition): _answer(answer).offset for at, answer in answers.items()}


def _lag(committed: tuple[int, int] | None, first: int, end: int) -> PartitionLag:
    """A group that never committed begins at the first record; what was deleted before it was read is no lag any more."""
    offset, done = committed or (first, 0)
    return PartitionLag(offset, end, done) if offset >= first else PartitionLag(first, end)


def _ahead(metadata: str | None) -> int:
    found = _AHEAD.match(metadata or "")
    return int(found.group(1)) if found else 0


def _answer(future: Future[T]) -> T:
    try:
        return future.result(ANSWER_SECONDS + 5)
    except KafkaException as error:
        raise _unreachable(error) from error
    except TimeoutError as error:
        raise LagUnknown("Kafka did not answer", "check KAFKA_BOOTSTRAP_SERVERS and that the brokers run") from error


def _unreachable(error: KafkaException) -> LagUnknown:
    said = error.args[0].str()
    return LagUnknown(f"Kafka did not answer ({said})", "check KAFKA_BOOTSTRAP_SERVERS and that the brokers run")
