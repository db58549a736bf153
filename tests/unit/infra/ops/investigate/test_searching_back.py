"""A search from the newest record back: how far it comes in its time, whatever the pace."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.ops.investigate import partition_reader
from infra.ops.investigate.partition_reader import FIRST_STEP, LONGEST_STEP, PartitionReader, Stretch
from infra.runtime.stream.record import RawRecord
from schemas.topics import Topic

TOPIC, SECONDS = Topic.TICKETS_RECEIVED, 1.0


class Slow(PartitionReader):
    """Reads so many records a second, on a clock of its own, and stops where the time is over."""

    def __init__(self, pace: int) -> None:
        self.pace, self.now = pace, 0.0
        self.pieces: list[int] = []

    def monotonic(self) -> float:
        return self.now

    def _read(
        self, topic: Topic, asked: Stretch, wanted: Callable[..., bool], deadline: float, most: int
    ) -> tuple[list[RawRecord], int]:
        self.pieces.append(asked.length)
        seconds = min(asked.length / self.pace, max(0.0, deadline - self.now))
        self.now += seconds
        return [], asked.first + round(seconds * self.pace)


@pytest.mark.parametrize("pace", [5_000, 20_000, 60_000, 150_000])
def test_nearly_all_that_can_be_read_in_the_time_counts(pace: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Slow(pace)
    monkeypatch.setattr(partition_reader, "time", reader)
    search = reader.backward(TOPIC, Stretch(0, 1_000_000), lambda _: False, SECONDS)

    assert search.looked_at.end == 1_000_000 and not search.complete
    assert search.looked_at.length >= 0.9 * pace * SECONDS - FIRST_STEP
    assert max(reader.pieces) <= LONGEST_STEP


def test_what_can_be_read_in_the_time_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Slow(60_000)
    monkeypatch.setattr(partition_reader, "time", reader)
    search = reader.backward(TOPIC, Stretch(10, 40_010), lambda _: False, SECONDS)

    assert search.complete and len(reader.pieces) <= 4
