"""What comes out of the chain: delivered events, dead letters and feedback aggregates, read from Kafka while the demo runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Self

from infra.ops.cli.kafka_reader import TopicReader
from schemas.events import DeadLetter, EnhancementDelivered, FeedbackAggregated
from schemas.topics import Topic

WATCHED = (Topic.ENHANCEMENTS_DELIVERED, Topic.DEAD_LETTERS, Topic.FEEDBACK_AGGREGATED)
LOOK_SECONDS = 0.1


class Watch:
    """Everything written to the tenants' partitions after the start, each event once, by event id."""

    def __init__(self, config: Mapping[str, Any], prefix: str) -> None:
        self._config, self._prefix = dict(config), prefix
        self._readers = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._seen: dict[str, Any] = {}
        self._stopped = False

    @property
    def delivered(self) -> list[EnhancementDelivered]:
        return self._of(EnhancementDelivered)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        return self._of(DeadLetter)

    @property
    def aggregates(self) -> list[FeedbackAggregated]:
        return self._of(FeedbackAggregated)

    async def start(self, partitions: Iterable[int]) -> Self:
        """Returns when the positions are fixed: whatever is written from now on will be seen."""
        numbers = sorted(partitions)
        for topic in WATCHED:
            reader = self._readers.enter_context(TopicReader(self._config, topic, prefix=self._prefix))
            ends = await asyncio.to_thread(reader.ends, numbers)
            reader.start({number: end for number, (_, end) in ends.items()})
            self._tasks.append(asyncio.create_task(self._follow(reader), name=f"watch-{topic}"))
        return self

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._readers.close()

    async def wait_for(self, done: Callable[[], bool], seconds: float) -> bool:
        """Whether `done` became true within these seconds. Raises what a reader failed with."""
        deadline = time.monotonic() + seconds
        while not done():
            for task in self._tasks:
                if task.done():
                    task.result()
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _follow(self, reader: TopicReader) -> None:
        while not self._stopped:
            for found in await asyncio.to_thread(reader.poll):
                if found.event is not None:
                    self._seen.setdefault(f"{found.topic} {found.event.event_id}", found.event)

    def _of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self._seen.values() if isinstance(event, kind)]
