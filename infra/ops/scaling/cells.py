"""The two deployments whose days are published.

`LARGE` is the stage as it ships: 64 slots a worker (`DEFAULT_SLOTS`), and the chart's values-large.yaml, 2-20 workers, for a cell
of about 1,000 tenants. `SMALL` is what the customer has seen so far: workers of about 5 jobs each, 2-10 of them, dozens of tenants.
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.ops.scaling.autoscaler import Behaviour
from infra.ops.scaling.simulation import StageModel
from infra.runtime.stream.lanes import DEFAULT_SLOTS


@dataclass(frozen=True, slots=True)
class Cell:
    """`tenants` have a morning peak, `steady_tenants` are spread over all time zones. `runs` is how often each day is simulated,
    each time with other moments and calls: the fewer tickets, the more chance there is in one run."""

    name: str
    tenants: int
    steady_tenants: int
    model: StageModel
    runs: int


LARGE = Cell("large", 1000, 800, StageModel(DEFAULT_SLOTS, partitions=1024, behaviour=Behaviour(maximum=20)), runs=1)
SMALL = Cell("small", 36, 60, StageModel(slots=5, partitions=64), runs=5)
CELLS = {cell.name: cell for cell in (LARGE, SMALL)}
