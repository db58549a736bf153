"""Workers: slots, the lanes that they own, and who owns which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    turns: dict[Lane, None] = field(default_factory=dict)
    """Its lanes that may have something to start: who started longest ago comes first."""
    partitions: list[int] = field(default_factory=list)

    def next(self, now: float) -> Lane | None:
        if self.running >= self.slots:
            return None
        for lane in self.turns:
            if lane.may_start(now):
                return lane
        return None

    def waits(self, lane: Lane) -> None:
        """The lane may have something to start; it keeps its turn where it has one."""
        self.turns.setdefault(lane)

    def took(self, lane: Lane) -> None:
        """One of the lane's events starts: the others come first now."""
        self.running += 1
        del self.turns[lane]
        if lane.waiting:
            self.turns[lane] = None


def share_out(workers: Sequence[Worker], lanes: Sequence[Lane], partitions: int) -> None:
    """Each has its share of the tenants, as the stages have it. Faust's own assignor shares out the numbers alone."""
    named = {str(worker.number): worker for worker in workers}
    shares = shared_out(list(named), {name: worker.partitions for name, worker in named.items()}, partitions)
    for name, worker in named.items():
        worker.partitions, worker.turns = shares[name], {}
        for lane in (lanes[number] for number in worker.partitions if number < len(lanes)):
            lane.owner = worker
            if lane.waiting:
                worker.waits(lane)
