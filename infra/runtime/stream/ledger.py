"""Which offsets of a partition are handled: commits never pass one that isn't, and what is done beyond is counted.

Faust's own bookkeeping loses events under concurrency (its contiguity check is off by one, and gaps swallow open offsets).
"""

from __future__ import annotations

from collections import defaultdict, deque

from faust.types import TP


class Ledger:
    """Offsets handed to the app per partition; done in any order. Every step is O(1)."""

    def __init__(self) -> None:
        self._open: defaultdict[TP, deque[int]] = defaultdict(deque)
        self._done: defaultdict[TP, set[int]] = defaultdict(set)  # done behind an open one
        self._next: dict[TP, int] = {}

    def add(self, tp: TP, offset: int) -> None:
        if offset >= self._next.get(tp, 0):
            self._open[tp].append(offset)
            self._next[tp] = offset + 1

    def done(self, tp: TP, offset: int) -> None:
        open_, done = self._open[tp], self._done[tp]
        if open_ and open_[0] <= offset < self._next[tp]:
            done.add(offset)
        while open_ and open_[0] in done:
            done.discard(open_.popleft())

    def committable(self, tp: TP, read_to: int | None = None) -> int | None:
        """The first open offset, else the end of what was read (offset gaps included)."""
        if self._open[tp]:
            return self._open[tp][0]
        return max((o for o in (self._next.get(tp), read_to) if o is not None), default=None)

    def span(self, tp: TP) -> int:
        """What a crash would redeliver."""
        return self._next[tp] - self._open[tp][0] if self._open[tp] else 0

    def ahead(self, tp: TP) -> int:
        """Done behind the first open offset: end - committed - ahead is the true lag."""
        return len(self._done[tp])

    def reset(self) -> None:
        for part in (self._open, self._done, self._next):
            part.clear()
