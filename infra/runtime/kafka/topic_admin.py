"""Kafka's administration calls that topics need: blocking, bounded, with errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its documented names, not marked as exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from infra.runtime.kafka.login import LoginWatch
from infra.runtime.kafka.topic_report import BrokersUnreachable, TopicsError

ANSWER_SECONDS = 10.0
CHANGE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class TopicShape:
    """A topic on the cluster: its count of partitions and the lowest count of replicas among them."""

    partitions: int
    replicas: int


@dataclass(frozen=True, slots=True)
class ClusterShape:
    brokers: int
    topics: Mapping[str, TopicShape]


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic to create."""

    name: str
    partitions: int
    replicas: int
    settings: Mapping[str, str]


class TopicAdmin:
    """Blocking: call it in a thread. Raises BrokersUnreachable when Kafka doesn't answer, TopicsError when it refuses."""

    def __init__(self, client_config: Mapping[str, Any]) -> None:
        self._servers = client_config.get("bootstrap.servers", "")
        self._login = LoginWatch(client_config)
        # librdkafka would write each failed connection to stderr; the error raised here says it once.
        config = {"log_level": 0, "socket.connection.setup.timeout.ms": 5000, **client_config}
        self._client = AdminClient(self._login.watched(config))

    def shape(self) -> ClusterShape:
        """Brokers and topics as the cluster's metadata has them, without topics that this principal may not describe."""
        try:
            metadata = self._client.list_topics(timeout=ANSWER_SECONDS)
        except KafkaException as error:
            if refused := self._login.refused(self._client):
                raise refused from error
            raise BrokersUnreachable(
                f"Kafka at {self._servers} did not answer within {ANSWER_SECONDS:.0f} s ({error.args[0].str()}). "
                "Check KAFKA_BOOTSTRAP_SERVERS and that the brokers run."
            ) from error
        topics = {
            name: TopicShape(len(topic.partitions), min(len(p.replicas) for p in topic.partitions.values()))
            for name, topic in metadata.topics.items()
            if topic.error is None and topic.partitions
        }
        return ClusterShape(len(metadata.brokers), topics)

    def create(self, plans: Iterable[TopicPlan]) -> None:
        """Creates topics; one that somebody else just created is fine."""
        topics = [
            NewTopic(p.name, num_partitions=p.partitions, replication_factor=p.replicas, config=dict(p.settings))
            for p in plans
        ]
        if topics:
            answers = self._client.create_topics(topics, operation_timeout=CHANGE_SECONDS)
            for name, answer in answers.items():
                _await(f"create topic {name}", answer, but=KafkaError.TOPIC_ALREADY_EXISTS)

    def grow(self, name: str, partitions: int) -> None:
        answers = self._client.create_partitions([NewPartitions(name, partitions)], operation_timeout=CHANGE_SECONDS)
        _await(f"grow topic {name} to {partitions} partitions", answers[name])

    def settings(self, names: Iterable[str]) -> dict[str, dict[str, str | None]]:
        """Every topic's settings by Kafka's names, defaults included."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        answers = self._client.describe_configs(resources, request_timeout=ANSWER_SECONDS) if resources else {}
        return {
            resource.name: {
                key: entry.value for key, entry in _await(f"read settings of {resource.name}", answer).items()
            }
            for resource, answer in answers.items()
        }

    def change(self, name: str, settings: Mapping[str, str]) -> None:
        """Sets these settings of a topic and leaves its others alone."""
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
        for answer in self._client.incremental_alter_configs([resource], request_timeout=ANSWER_SECONDS).values():
            _await(f"change settings of topic {name}", answer)


def _await(what: str, answer: Future[Any], *, but: int | None = None) -> Any:
    try:
        return answer.result(timeout=CHANGE_SECONDS + 5)
    except KafkaException as error:
        cause: KafkaError = error.args[0]
        if cause.code() == but:
            return None
        raise TopicsError(f"Kafka refused to {what}: {cause.str()} ({cause.name()})") from error
    except TimeoutError as error:
        raise BrokersUnreachable(f"Kafka did not {what} within {CHANGE_SECONDS:.0f} s. Try again.") from error
