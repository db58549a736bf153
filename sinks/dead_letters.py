"""Dead letters go to a topic of their own, signed like everything else, on the partition of the record that they keep."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from schemas.events import DeadLetter
from schemas.topics import Topic


class Publishes(Protocol):
    def publish(
        self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None
    ) -> Awaitable[None]: ...


class DeadLetterTopic:
    """Implements `infra.runtime.stream.ports.DeadLetterSink`."""

    def __init__(self, publisher: Publishes) -> None:
        self._publisher = publisher

    async def send(self, letter: DeadLetter, partition: int) -> None:
        """Raises PublishError if Kafka doesn't acknowledge in time. The key is empty when the tenant isn't proven."""
        await self._publisher.publish(letter, topic=Topic.DEAD_LETTERS, partition=partition)
