"""A replay stands back for live tickets: it pauses while a tenant has some waiting at the stage that it feeds."""

from __future__ import annotations

import asyncio
import re
import threading
from bisect import bisect_left, insort
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from infra.ops.replay.ports import GroupOffsets, Reached
from infra.ops.replay.spans import answered
from infra.runtime.kafka.asking import ANSWER_SECONDS
from schemas.topics import Stage

LIVE_WAITING = 10
"""So many live events may wait: fewer are there at any busy moment."""
OWN_WAITING = 100
"""So many of the run's own events may wait in a tenant's lane: what is fed faster than it is worked off gains nothing."""
_AHEAD = re.compile(r"ahead=(\d{1,9})")


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits at the stage for a tenant: of others, and what this run put there."""

    live: int
    own: int

    @property
    def too_much(self) -> str:
        """Why to pause, if so."""
        if self.live > LIVE_WAITING:
            return f"{self.live} waiting"
        return f"{self.own} of this replay waiting" if self.own >= OWN_WAITING else ""


@dataclass(slots=True)
class LiveLag:
    """One tenant's events at the stage that a run feeds. `wrote` is told each offset that the run wrote there."""

    stage: Stage
    partition: int
    group: GroupOffsets
    _own: list[int] = field(default_factory=list)

    def wrote(self, offset: int) -> None:
        insort(self._own, offset)

    async def waiting(self) -> Waiting:
        """Lag is end − committed − ahead. Of the run's own events those behind the commit count as waiting, though some may
        be among the ones that are finished ahead of it: live events are then counted too few by as many, until the next commit.
        Raises KafkaSilent."""
        reached = await self.group.reached(self.stage, self.partition)
        del self._own[: bisect_left(self._own, reached.committed)]
        lag = max(0, reached.end - reached.committed - reached.ahead)
        own = min(len(self._own), lag)
        return Waiting(lag - own, own)


class KafkaGroups:
    """What the stages' groups committed, asked without joining them."""

    def __init__(self, client_config: Mapping[str, Any], *, prefix: str = "") -> None:
        self._config, self._prefix, self._lock = dict(client_config), prefix, threading.Lock()
        self._clients: dict[Stage, Consumer] = {}

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()

    async def reached(self, stage: Stage, partition: int) -> Reached:
        return await asyncio.to_thread(self._reached, stage, partition)

    def _reached(self, stage: Stage, partition: int) -> Reached:
        place = TopicPartition(stage.consumes.named(self._prefix), partition)
        with self._lock:
            client = self._client(stage)
            first, end = answered(partial(client.get_watermark_offsets, place, timeout=ANSWER_SECONDS, cached=False))
            (found,) = answered(partial(client.committed, [place], timeout=ANSWER_SECONDS))
        ahead = 0
        with suppress(UnicodeDecodeError):  # metadata of somebody else's commit
            if match := _AHEAD.match(found.metadata or ""):
                ahead = int(match[1])
        return Reached(end, max(found.offset, first), ahead)

    def _client(self, stage: Stage) -> Consumer:
        if stage not in self._clients:
            own = {"group.id": stage.group(self._prefix), "enable.auto.commit": False, "log_level": 0}
            self._clients[stage] = Consumer({**self._config, **own})
        return self._clients[stage]


class Lags:
    """The lag of every tenant and stage that a run feeds, told by the producer what it wrote."""

    def __init__(self, group: GroupOffsets, *, prefix: str = "") -> None:
        self._group, self._prefix = group, prefix
        self._known: dict[tuple[str, int], LiveLag] = {}

    def of(self, stage: Stage, partition: int) -> LiveLag:
        key = (stage.consumes.named(self._prefix), partition)
        return self._known.setdefault(key, LiveLag(stage, partition, self._group))

    def wrote(self, topic: str, partition: int, offset: int) -> None:
        """`infra.runtime.kafka.producer.Written`."""
        if lag := self._known.get((topic, partition)):
            lag.wrote(offset)
