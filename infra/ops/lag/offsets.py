"""Where each stage's consumer group stands: committed, end and done beyond, per partition."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from infra.ops.lag.brokers import Brokers, LagUnknown, raise_for, unknown
from infra.ops.lag.commit_metadata import told
from infra.ops.lag.wire import (
    EARLIEST,
    LATEST,
    Committed,
    Listed,
    committed_question,
    offsets_question,
    read_committed,
    read_offsets,
)
from schemas.topics import Stage

__all__ = ["LagUnknown", "OffsetReader", "Offsets", "PartitionLag"]

_NOT_LEADER, _LEADER_NOT_AVAILABLE, _UNKNOWN_PARTITION = 6, 5, 3
_MOVED = frozenset({_NOT_LEADER, _LEADER_NOT_AVAILABLE, _UNKNOWN_PARTITION})
_MOST_MOVES = 20
_MOVE_SECONDS = 0.2
Place = tuple[str, int]
"""Topic on the broker and partition."""


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """`next` is the offset of the first record that isn't handled (what is committed), `end` that of the next to be written,
    `done` how many between them are handled, `running` how many its worker said it works on; None where none ever said."""

    next: int
    end: int
    done: int = 0
    running: int | None = None

    @property
    def lag(self) -> int:
        return max(0, self.end - self.next - self.done)

    @property
    def handled(self) -> int:
        """So many since the partition began. Falls back where events are handled again by another worker."""
        return self.next + self.done


@dataclass(frozen=True, slots=True)
class Offsets:
    """`stages` has every partition of what a stage consumes; a stage whose group can't be read is in `unknown` instead."""

    stages: Mapping[Stage, Mapping[int, PartitionLag]]
    unknown: Mapping[Stage, LagUnknown]


class OffsetReader:
    """Raises LagUnknown rather than guess."""

    def __init__(self, brokers: Brokers, prefix: str = "") -> None:
        self._brokers, self._prefix = brokers, prefix

    async def read(self) -> Offsets:
        """What is committed is read first: a lag is never too small by what is handled meanwhile. Where the first records begin is
        asked only of partitions where it could matter."""
        layout = await self._brokers.layout()
        partitions = {stage: tuple(layout.leaders[self._topic(stage)]) for stage in Stage}
        answers = await asyncio.gather(
            *(self._committed(stage, partitions[stage]) for stage in Stage), return_exceptions=True
        )
        committed, refused = _sorted(zip(Stage, answers, strict=True))
        if not committed:
            raise next(iter(refused.values()))
        end = await self._offsets({self._topic(stage): partitions[stage] for stage in committed}, LATEST)
        behind = {
            topic: [number for number in partitions[stage] if _behind(found.get(number), end[topic, number])]
            for stage, found in committed.items()
            for topic in (self._topic(stage),)
        }
        first = await self._offsets(behind, EARLIEST)
        stages = {
            stage: {
                number: _lag(committed[stage].get(number), first.get(at), end[at])
                for number in partitions[stage]
                for at in ((self._topic(stage), number),)
            }
            for stage in committed
        }
        return Offsets(stages, refused)

    def _topic(self, stage: Stage) -> str:
        return stage.consumes.named(self._prefix)

    async def _committed(self, stage: Stage, partitions: Sequence[int]) -> dict[int, Committed]:
        """Of those partitions where anything was ever committed."""
        question = committed_question(stage.group(self._prefix), self._topic(stage), partitions)

        def read(body: bytes) -> dict[int, Committed]:
            found, error = read_committed(body)
            raise_for(error or next((at.error for at in found.values() if at.error), 0))
            return {number: at for number, at in found.items() if at.offset >= 0}

        return await self._brokers.ask_group(stage.group(self._prefix), question, read)

    async def _offsets(self, asked: Mapping[str, Sequence[int]], which: int) -> dict[Place, int]:
        """Asked again while leaders change."""
        found, missing = dict[Place, int](), {topic: numbers for topic, numbers in asked.items() if numbers}
        for _ in range(_MOST_MOVES):
            missing = await self._offsets_once(missing, which, found)
            if not missing:
                return found
            await asyncio.sleep(_MOVE_SECONDS)
            await self._brokers.misled()
        raise LagUnknown("partitions have no leader", "check that all brokers run")

    async def _offsets_once(
        self, asked: Mapping[str, Sequence[int]], which: int, found: dict[Place, int]
    ) -> dict[str, Sequence[int]]:
        """Adds to `found`; what is missing yet."""
        leaders = (await self._brokers.layout()).leaders
        by_broker: dict[int, dict[str, list[int]]] = {}
        for topic, numbers in asked.items():
            for number in numbers:
                by_broker.setdefault(leaders[topic][number], {}).setdefault(topic, []).append(number)
        answers = await asyncio.gather(
            *(self._brokers.ask_leader(broker, offsets_question(of, which)) for broker, of in by_broker.items())
        )
        missing: dict[str, list[int]] = {}
        for body in answers:
            for topic, listed in read_offsets(body):
                if moved := _taken(topic, listed, found):
                    missing.setdefault(topic, []).extend(moved)
        return dict(missing)


def _taken(topic: str, listed: Mapping[int, Listed], found: dict[Place, int]) -> list[int]:
    moved = list[int]()
    for number, (offset, error) in listed.items():
        if not error:
            found[topic, number] = offset
        elif error in _MOVED:
            moved.append(number)
        else:
            try:
                raise_for(error)
            except Exception as refused:
                raise unknown(refused) from refused
    return moved


def _sorted(
    answers: Iterable[tuple[Stage, dict[int, Committed] | BaseException]],
) -> tuple[dict[Stage, dict[int, Committed]], dict[Stage, LagUnknown]]:
    found, refused = dict[Stage, dict[int, Committed]](), dict[Stage, LagUnknown]()
    for stage, answer in answers:
        if isinstance(answer, LagUnknown):
            refused[stage] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[stage] = answer
    return found, refused


def _behind(committed: Committed | None, end: int) -> bool:
    return end > (committed.offset if committed else 0)


def _lag(committed: Committed | None, first: int | None, end: int) -> PartitionLag:
    """A group that never committed begins at the first record; what was deleted before it was read is no lag any more. `first` is
    None where nothing is behind."""
    if committed is None:
        return PartitionLag(end if first is None else first, end)
    done, running = told(committed.metadata)
    if first is not None and first > committed.offset:
        return PartitionLag(first, end, 0, running)
    return PartitionLag(committed.offset, end, done, running)
