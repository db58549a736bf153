"""Workers: slots, the lanes that they own, and who owns which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf

from infra.ops.scaling.lane import Lane
from infra.runtime.stream.sharing import shared_out


@dataclass(slots=True, eq=False)
class Worker:
    """`running` counts calls of lanes that it no longer owns, too. `left`: when it left the group, to end with its last call."""

    number: int
    slots: int
    joined: bool = False
    left: float = inf
    running: int = 0
    partitions: list[int] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=count)
    _listed: list[tuple[int, Lane]] = field(default_factory=list)
    """A heap of its lanes that may have something to start, by turn: who started longest ago comes first."""

    def next(self, now: float) -> Lane | None:
        if self.running >= self.slots:
            return None
        while self._listed:
            lane = self._listed[0][1]
            if lane.may_start(now):
                return lane
            heappop(self._listed)
            lane.listed = False
        return None

    def waits(self, lane: Lane) -> None:
        """The lane may have something to start; it keeps its turn where it has one."""
        if lane.turn is None:
            lane.turn = next(self._turns)
        if not lane.listed and lane.running < lane.cap:
            lane.listed = True
            heappush(self._listed, (lane.turn, lane))

    def took(self, lane: Lane) -> None:
        """An event of the lane that came next starts: the others come first now."""
        self.running += 1
        heappop(self._listed)
        lane.listed, lane.turn = False, None
        if lane.waiting:
            self.waits(lane)

    def forget(self) -> None:
        """Its lanes are shared out anew."""
        self._listed.clear()


def share_out(workers: Sequence[Worker], lanes: Sequence[Lane], partitions: int) -> None:
    """Each has its share of the tenants, as the stages have it. Faust's own assignor shares out the numbers alone."""
    named = {str(worker.number): worker for worker in workers}
    for worker in {lane.owner for lane in lanes if lane.owner} | set(workers):
        worker.forget()
    shares = shared_out(list(named), {name: worker.partitions for name, worker in named.items()}, partitions)
    for name, worker in named.items():
        worker.partitions = shares[name]
        for lane in (lanes[number] for number in worker.partitions if number < len(lanes)):
            lane.owner, lane.turn, lane.listed = worker, None, False
            if lane.waiting:
                worker.waits(lane)
