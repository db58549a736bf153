"""Connections to the brokers, for questions that only look: who leads which partition, who coordinates which group."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    NotCoordinatorForGroupError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.structs import TopicPartition

from infra.ops.lag.wire import Question
from infra.runtime.kafka.client_settings import KafkaClient
from infra.runtime.kafka.login import refused_login

ANSWER_SECONDS = 10.0
"""For all of one question: while a leader or a coordinator changes, as in a Kafka that just started, it is asked again."""
REQUEST_SECONDS = 5.0
AGAIN_SECONDS = 0.2
LAYOUT_SECONDS = 30.0
"""After so long at most, partitions that were added are known."""
T = TypeVar("T")
_PASSING = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    LeaderNotAvailableError,
    NotCoordinatorForGroupError,
    NotLeaderForPartitionError,
)


class LagUnknown(RuntimeError):
    """Kafka didn't say where a group stands, so its lag isn't known. `cure` says what to do, `reason` is one of few words."""

    def __init__(self, what: str, cure: str, reason: str = "kafka") -> None:
        super().__init__(what)
        self.cure, self.reason = cure, reason


@dataclass(frozen=True, slots=True)
class Layout:
    """`leaders` is by topic and partition, `led` by broker, and then topic, its partitions."""

    leaders: Mapping[str, Mapping[int, int]]
    led: Mapping[int, Mapping[str, Sequence[int]]]


class Brokers:
    """Use as an asynchronous context manager. Making one raises OSError and ValueError for settings that no client can be made of,
    everything else LagUnknown where the brokers don't answer."""

    def __init__(self, kafka: KafkaClient, topics: Sequence[str], *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._kafka, self._config = kafka, kafka.aiokafka()
        self._topics, self._answer_seconds = tuple(topics), answer_seconds
        self._client: Any = None
        self._layout: Layout | None = None
        self._coordinators: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """The next question connects anew: the brokers may have moved to where none of those known was."""
        client, self._client, self._layout = self._client, None, None
        self._coordinators.clear()
        if client is not None:
            await client.close()

    async def layout(self) -> Layout:
        """Of these topics, as it was known at most 30 s ago."""
        return await self._answered(self._read_layout)

    async def ask_leader(self, broker: int, question: Question) -> bytes:
        """Not asked again: whoever asks looks at the errors in the answer, and says `misled` where the leader is another."""
        return bytes(await self._answered(lambda: self._send(broker, question), again=False))

    async def ask_group(self, group: str, question: Any, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer of the group's coordinator. It raises what `raise_for` raises."""

        async def ask() -> T:
            client = await self._connected()
            if group not in self._coordinators:
                self._coordinators[group] = await client.coordinator_lookup(CoordinationType.GROUP, group)
            try:
                return read(await client.send(self._coordinators[group], question))
            except BaseException:
                self._coordinators.pop(group, None)
                raise

        return await self._answered(ask)

    async def misled(self) -> None:
        """The layout is not what it was: read it again."""
        self._layout = None
        if self._client is not None:
            await self._client.force_metadata_update()

    async def _send(self, broker: int, question: Question) -> Any:
        return await (await self._connected()).send(broker, question)

    async def _read_layout(self) -> Layout:
        client = await self._connected()
        if self._layout is None:
            cluster = client.cluster
            for topic in self._topics:
                self._check(cluster, topic)
            leaders = {topic: self._leaders(cluster, topic) for topic in self._topics}
            led: dict[int, dict[str, list[int]]] = {}
            for topic, found in leaders.items():
                for number, broker in found.items():
                    led.setdefault(broker, {}).setdefault(topic, []).append(number)
            self._layout = Layout(leaders, led)
        return self._layout

    def _check(self, cluster: Any, topic: str) -> None:
        if topic in cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError(topic)
        if not cluster.partitions_for_topic(topic):
            raise UnknownTopicOrPartitionError(topic)

    def _leaders(self, cluster: Any, topic: str) -> dict[int, int]:
        numbers = sorted(cluster.partitions_for_topic(topic))
        found = {number: cluster.leader_for_partition(TopicPartition(topic, number)) for number in numbers}
        if any(broker in (None, -1) for broker in found.values()):
            raise LeaderNotAvailableError(topic)
        return found

    async def _connected(self) -> Any:
        if self._client is None:
            client = AIOKafkaClient(
                **self._config,
                client_id="ticketstream-lag",
                request_timeout_ms=int(1000 * REQUEST_SECONDS),
                metadata_max_age_ms=int(1000 * LAYOUT_SECONDS),
            )
            try:
                await client.bootstrap()
                await client.set_topics(self._topics)
            except BaseException as error:
                await client.close()
                if isinstance(error, KafkaConnectionError):
                    await self._raise_refused_login()
                raise
            client.cluster.add_listener(self._forget_layout)
            self._client = client
        return self._client

    async def _raise_refused_login(self) -> None:
        """aiokafka logs that a login was refused, and raises the same as where nobody answers."""
        if refused := await asyncio.to_thread(refused_login, self._kafka.librdkafka()):
            raise LagUnknown(refused.what, refused.cure, "refused") from None

    def _forget_layout(self, _: Any) -> None:
        self._layout = None

    async def _answered(self, ask: Callable[[], Awaitable[T]], *, again: bool = True) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._answer_seconds
        while True:
            try:
                return await ask()
            except (KafkaError, NotImplementedError, OSError, AssertionError) as error:
                wait = again and isinstance(error, _PASSING) and loop.time() < deadline
                if not wait:
                    raise unknown(error) from error
            await asyncio.sleep(AGAIN_SECONDS)
            await self.misled()


def quiet() -> None:
    """aiokafka logs each try that fails; what is raised here says it once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def raise_for(code: int) -> None:
    """Raises the error that an answer says; nothing for 0."""
    if code:
        raise for_code(code)()


def unknown(error: BaseException) -> LagUnknown:
    """As LagUnknown, with what to do."""
    if isinstance(error, UnknownTopicOrPartitionError):
        what = f"there is no topic {error.args[0]}" if error.args else "a topic is missing"
        return LagUnknown(what, "create the topics with: ticketstream topics ensure", "topics")
    if isinstance(error, TopicAuthorizationFailedError | GroupAuthorizationFailedError | AuthenticationFailedError):
        name = f" {error.args[0]}" if error.args else ""
        return LagUnknown(
            f"Kafka refuses ({type(error).__name__}{name})", "give it its rights: ticketstream topics ensure --acls", "refused"
        )  # fmt: skip
    if isinstance(error, IncompatibleBrokerVersion | NotImplementedError):
        return LagUnknown(f"Kafka is too old or too new ({error})", "use a Kafka from 2.1 to 4.x")
    text = str(error) or type(error).__name__
    return LagUnknown(f"Kafka did not answer ({text})", "check KAFKA_BOOTSTRAP_SERVERS and that the brokers run")
