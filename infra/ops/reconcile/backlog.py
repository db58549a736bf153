"""Whether enrich is up to date with a tenant's partition, asked of Kafka."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.runtime.telemetry.logs import get_logger
from schemas.topics import Stage, Topic

log = get_logger(__name__)

ANSWER_SECONDS = 2.5
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.5


class EnrichBacklog:
    """Backlog by the group's committed offset. Reads as the group does, but never joins it and commits nothing."""

    def __init__(self, client_config: dict[str, Any], prefix: str = "", *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._topic, self._wait_seconds = Topic.TICKETS_RECEIVED.named(prefix), wait_seconds
        group = Stage.ENRICH.group(prefix)
        self._consumer = Consumer({**client_config, "group.id": group, "enable.auto.commit": False, "log_level": 3})
        self._alone = threading.Lock()

    async def handled(self, partition: int) -> bool:
        """Waits up to 20 s. False, too, when Kafka doesn't answer."""
        deadline = time.monotonic() + self._wait_seconds
        try:
            _, end = await self._ask(self._ends, partition)
            while (await self._ask(self._position, partition)) < end:
                if time.monotonic() > deadline:
                    return False
                await asyncio.sleep(POLL_SECONDS)
        except KafkaException as error:
            log.warning("Kafka doesn't say how far enrich is", error=str(error))
            return False
        return True

    def close(self) -> None:
        """Waits for a question under way, at most 5 s."""
        with self._alone:
            self._consumer.close()

    async def _ask(self, question: Any, partition: int) -> Any:
        """In a thread, since the client blocks, and one at a time: a thread goes on when who waits for it is cancelled."""

        def ask() -> Any:
            with self._alone:
                return question(partition)

        return await asyncio.to_thread(ask)

    def _ends(self, partition: int) -> tuple[int, int]:
        """Offsets of the first record and behind the last."""
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(self._topic, partition), timeout=ANSWER_SECONDS, cached=False
        )
        return low, high

    def _position(self, partition: int) -> int:
        """Where enrich goes on. A group that never committed begins at the first record."""
        (found,) = self._consumer.committed([TopicPartition(self._topic, partition)], timeout=ANSWER_SECONDS)
        if found.error is not None:
            raise KafkaException(found.error)
        return max(found.offset, self._ends(partition)[0])
