"""Reads topics as an onlooker: assigned partitions, no consumer group, nothing committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, Self
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import ValidationError

from infra.ops.cli.failure import Failure, WrongUse
from infra.runtime.kafka.asking import ANSWER_SECONDS, asked_until_answered
from infra.runtime.kafka.client_settings import KafkaClient, KafkaSettings
from infra.runtime.kafka.extents import extents
from infra.runtime.kafka.login import refused_login
from schemas.times import to_milliseconds
from schemas.topics import Topic
from schemas.wire_format import Codec, WireError

POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Found:
    """An event and where it is. `event` is None where the bytes are none; `error` then says why."""

    event: Any
    topic: str
    partition: int
    offset: int
    at: datetime
    error: str = ""


def client_config(variables: dict[str, str]) -> dict[str, Any]:
    """librdkafka's settings; see kafka_client."""
    return kafka_client(variables).librdkafka()


def kafka_client(variables: dict[str, str]) -> KafkaClient:
    """From the variables `KAFKA_*`. Raises Failure where the servers aren't named, WrongUse for a value that can't be, without the
    value."""
    known = {name: value for name in KafkaSettings.model_fields if (value := variables.get(f"KAFKA_{name.upper()}"))}
    if "bootstrap_servers" not in known:
        raise Failure("KAFKA_BOOTSTRAP_SERVERS is not set", "set it, or start the local stack with: ticketstream up")
    try:
        settings = KafkaSettings(**known)  # type: ignore[arg-type]  # texts, parsed by the model
    except ValidationError as error:
        wrong = [f"KAFKA_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors(include_input=False)]
        raise WrongUse("\n".join(wrong), ".env.example says what it is for") from None
    return KafkaClient(settings)


@contextmanager
def kafka_variables_checked() -> Iterator[None]:
    """Inside, a client is made: what librdkafka or aiokafka can't make one of is WrongUse."""
    try:
        yield
    except (OSError, ValueError) as error:  # a certificate's file
        raise WrongUse(f"Kafka's client: {error}", "check KAFKA_SASL_… and KAFKA_SSL_…") from None
    except KafkaException as error:
        if error.args[0].code() != KafkaError._INVALID_ARG:
            raise
        raise WrongUse(f"Kafka's client: {error.args[0].str()}", "check KAFKA_SASL_… and KAFKA_SSL_…") from None


class TopicReader:
    """One topic's partitions, from positions that the caller chooses. Blocking: use it in a thread beside an event loop.

    Raises WrongUse for a `config` that no client can be made of.
    """

    def __init__(self, config: dict[str, Any], topic: Topic, *, prefix: str = "", codec: Codec | None = None) -> None:
        self._config, self._topic, self._name = config, topic, topic.named(prefix)
        self._codec = codec or Codec()
        with kafka_variables_checked():
            self._consumer = Consumer(
                {
                    **config,
                    "group.id": f"ticketstream-onlooker-{uuid4()}",  # required by the library, never used
                    "enable.auto.commit": False,
                    "enable.partition.eof": False,
                    "fetch.wait.max.ms": 100,
                    "log_level": 0,
                }
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def partitions(self) -> list[int]:
        """All partition numbers. Raises Failure where Kafka doesn't answer or the topic is missing."""
        try:
            topic = self._admin.list_topics(self._name, timeout=ANSWER_SECONDS).topics[self._name]
        except KafkaException as error:
            raise self._unreachable(error) from error
        if topic.error is not None or not topic.partitions:
            raise Failure(f"there is no topic {self._name}", "create the topics with: ticketstream topics ensure")
        return sorted(topic.partitions)

    def ends(self, partitions: Sequence[int]) -> dict[int, tuple[int, int]]:
        """First offset and end offset (the next to be written) of each partition."""
        places = [(self._name, number) for number in partitions]
        try:
            found = asked_until_answered(partial(extents, self._admin, places, ANSWER_SECONDS))
        except KafkaException as error:
            raise self._unreachable(error) from error
        except TimeoutError:
            raise _silent(f"no word within {ANSWER_SECONDS:.0f} s") from None
        return {number: between for (_, number), between in found.items()}

    def since(self, partitions: Sequence[int], at: datetime) -> dict[int, int]:
        """The first offset of each partition that the broker wrote at that time or later; its end where there is none."""
        asked = partial(self._since, [TopicPartition(self._name, number, to_milliseconds(at)) for number in partitions])
        try:
            found = asked_until_answered(asked)
        except KafkaException as error:
            raise self._unreachable(error) from error
        behind = [number for number, offset in found.items() if offset < 0]
        ends = self.ends(behind) if behind else {}
        return {number: ends[number][1] if offset < 0 else offset for number, offset in found.items()}

    def _since(self, places: list[TopicPartition]) -> dict[int, int]:
        found = self._consumer.offsets_for_times(places, timeout=ANSWER_SECONDS)
        for place in found:
            if place.error is not None:
                raise KafkaException(place.error)
        return {place.partition: place.offset for place in found}

    @cached_property
    def _admin(self) -> AdminClient:
        """The consumer would ask for the ends of one partition at a time."""
        return AdminClient({**self._config, "log_level": 0})

    def start(self, offsets: dict[int, int]) -> None:
        """Read these partitions from these offsets on; a negative one is the beginning."""
        self._consumer.assign(
            [
                TopicPartition(self._name, number, OFFSET_BEGINNING if offset < 0 else offset)
                for number, offset in offsets.items()
            ]
        )

    def follow(self, until: Callable[[], bool]) -> Iterator[Found]:
        """Every record as it comes, until `until` says so (asked four times a second)."""
        while not until():
            yield from self.poll()

    def poll(self, seconds: float = POLL_SECONDS) -> list[Found]:
        """What has come within these seconds; returns at once when there is anything."""
        try:
            messages = self._consumer.consume(500, 0.0) or self._consumer.consume(1, seconds)
        except KafkaException as error:
            raise self._unreachable(error) from error
        return [found for message in messages if (found := self._found(message)) is not None]

    def _unreachable(self, error: KafkaException) -> Failure:
        if refused := refused_login(self._config):
            return Failure(refused.what, refused.cure)
        return _silent(error.args[0].str())

    def _found(self, message: Message) -> Found | None:
        error = message.error()
        if error is not None:
            if error.fatal() or error.code() in (
                KafkaError.TOPIC_AUTHORIZATION_FAILED,
                KafkaError.UNKNOWN_TOPIC_OR_PART,
            ):
                raise Failure(f"Kafka refuses to read {self._name} ({error.str()})", "check its access control lists")
            return None  # a broker is away: librdkafka goes on by itself
        (_, milliseconds), value = message.timestamp(), message.value() or b""
        at = datetime.fromtimestamp(max(0, milliseconds) / 1000, UTC)
        found = Found(None, self._name, message.partition() or 0, message.offset() or 0, at)
        try:
            return replace(found, event=self._codec.decode(value, self._topic))
        except WireError as wrong:
            return replace(found, error=str(wrong))


def _silent(why: str) -> Failure:
    return Failure(f"Kafka did not answer ({why})", "check KAFKA_BOOTSTRAP_SERVERS and that the brokers run")
