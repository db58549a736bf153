"""What Faust's own Consumer._new_offset gets wrong, and the ledger must not."""

import random

import pytest
from faust.types import TP

from infra.runtime.stream.ledger import Ledger

T, U = TP("t", 0), TP("t", 1)


def ledger(read: list[int], done: list[int]) -> Ledger:
    it = Ledger()
    for offset in read:
        it.add(T, offset)
    for offset in done:
        it.done(T, offset)
    return it


@pytest.mark.parametrize(
    ("read", "done", "read_to", "commit"),
    [
        ([5, 6], [6], None, 5),  # stock: committed 5, acked [6] -> 7
        ([2, 3, 4], [3, 4], None, 2),  # stock: never committed, acked [3, 4] -> 5
        ([7, 10, 11], [7, 11], None, 10),  # stock: gap 8..10 swallows open 10 -> 12
        ([7, 10, 11], [7, 11, 10], None, 12),
        ([8], [], 9, 8),  # the read position never passes an open event
        ([8], [8], 10, 10),  # trailing gap (transaction marker): reaches the end
        ([], [], 4, 4),  # idle partition
        ([], [], None, None),
        ([1, 1], [1, 1, 9], None, 2),  # duplicates and unknown offsets
    ],
)
def test_committable(read: list[int], done: list[int], read_to: int | None, commit: int | None) -> None:
    assert ledger(read, done).committable(T, read_to) == commit


def test_partitions_are_separate_and_reset() -> None:
    it = ledger([1], [])
    it.add(U, 5)
    it.done(U, 5)
    assert (it.committable(T), it.committable(U), it.span(T), it.span(U)) == (1, 6, 1, 0)
    it.reset()
    it.add(T, 0)
    assert (it.committable(T), it.committable(U)) == (0, None)


def test_ahead_counts_what_is_done_behind_the_first_open_offset() -> None:
    it = ledger([3, 4, 7, 8, 9], [4, 8, 9])
    assert (it.committable(T), it.ahead(T), it.ahead(U)) == (3, 3, 0)
    it.done(T, 3)
    assert (it.committable(T), it.ahead(T)) == (7, 2)
    it.done(T, 7)
    assert (it.committable(T), it.ahead(T)) == (10, 0)


@pytest.mark.parametrize("seed", range(200))
def test_never_passes_the_first_open_offset(seed: int) -> None:
    r, it, read, done, last = random.Random(seed), Ledger(), list[int](), set[int](), 0
    for _ in range(300):
        open_ = sorted(set(read) - done)
        if not open_ or r.random() < 0.5:
            read.append((read[-1] if read else 0) + r.choice([1, 1, 1, 2, 7]))
            it.add(T, read[-1])
        else:
            done.add(offset := r.choice(open_))
            it.done(T, offset)
        commit = it.committable(T)
        assert commit == min(set(read) - done, default=read[-1] + 1) and commit >= last
        last = commit
    for offset in set(read) - done:
        it.done(T, offset)
    assert it.committable(T) == read[-1] + 1 and it.span(T) == 0
