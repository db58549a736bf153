"""When the first record that isn't handled was written, by the broker's clock."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Mapping
from itertools import chain, islice
from typing import NamedTuple

from infra.ops.lag.brokers import Brokers, LagUnknown
from infra.ops.lag.wire import Batch, Fetched, read_records, records_question

Place = tuple[str, int]
"""Topic on the broker and partition."""
MOST_A_ROUND = 1000
"""Partitions of which a record is read at one time; the others keep their turn."""
OF_EACH = (8 * 1024, 128 * 1024, 2 * 1024 * 1024)
"""Bytes asked of a partition. A batch that doesn't fit isn't sent, but for the first one of an answer: then more is asked for."""
OF_ALL = 8 * 1024 * 1024
MOST_BATCHES = 32


class _Known(NamedTuple):
    """What was read from an offset on: the batches' last offsets, and when they were written."""

    begin: int
    batches: list[Batch]

    def at(self, offset: int) -> Batch | None:
        if offset < self.begin or offset > self.batches[-1].last:
            return None
        return self.batches[bisect_left(self.batches, offset, key=lambda batch: batch.last)]


class AgeReader:
    """Keeps what it read: a partition is asked again only when its group has gone beyond that."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._known: dict[Place, _Known] = {}
        self._turn = 0

    async def appended_at(self, places: Mapping[Place, int]) -> dict[Place, float | None]:
        """Unix seconds at which the record at each offset, or the next after it, was written. None where it isn't known: Kafka
        didn't say, it is another's turn, or the topic keeps the producers' times. Raises nothing for a single one."""
        self._known = {place: self._known[place] for place in places if place in self._known}
        missing = [(place, offset) for place, offset in places.items() if not self._batch(place, offset)]
        turn, self._turn = (self._turn, self._turn + MOST_A_ROUND) if len(missing) > MOST_A_ROUND else (0, 0)
        turn %= max(1, len(missing))
        await self._read(dict(islice(chain(missing[turn:], missing[:turn]), MOST_A_ROUND)))
        return {place: _seconds(self._batch(place, offset)) for place, offset in places.items()}

    def _batch(self, place: Place, offset: int) -> Batch | None:
        known = self._known.get(place)
        return known.at(offset) if known else None

    async def _read(self, missing: dict[Place, int]) -> None:
        for of_each in OF_EACH:
            turns = len(missing)  # each answer has one batch at least, of any size
            while missing and turns > 0:
                before = len(missing)
                missing = await self._read_once(missing, of_each)
                turns = turns - 1 if len(missing) < before else 0
                if of_each < OF_EACH[-1]:
                    break

    async def _read_once(self, missing: dict[Place, int], of_each: int) -> dict[Place, int]:
        """What is missing yet."""
        leaders = (await self._brokers.layout()).leaders
        by_broker: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for (topic, number), offset in missing.items():
            by_broker.setdefault(leaders[topic][number], {}).setdefault(topic, []).append((number, offset))
        answers = await asyncio.gather(
            *(
                self._brokers.ask_leader(broker, records_question(asked, of_each=of_each, of_all=OF_ALL))
                for broker, asked in by_broker.items()
            ),
            return_exceptions=True,
        )
        for body in answers:
            if isinstance(body, bytes):
                for topic, fetched in read_records(body):
                    self._take(topic, fetched, missing)
            elif not isinstance(body, LagUnknown):
                raise body
        return {place: offset for place, offset in missing.items() if not self._batch(place, offset)}

    def _take(self, topic: str, fetched: Mapping[int, Fetched], asked: Mapping[Place, int]) -> None:
        for number, (batches, error) in fetched.items():
            if batches and not error:
                self._known[topic, number] = _Known(asked[topic, number], batches[:MOST_BATCHES])


def _seconds(batch: Batch | None) -> float | None:
    return None if batch is None or batch.appended is None else batch.appended / 1000
