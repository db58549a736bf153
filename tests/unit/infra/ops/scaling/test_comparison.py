"""Which threshold is the best, by each reading, and a short day that a flood makes dear for the Kafka scaler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from infra.ops.bench.scaling import readings
from infra.ops.scaling.cells import CELLS
from infra.ops.scaling.comparison import (
    BATCH,
    STOP_AFTER,
    DayCompared,
    InThisProcess,
    Outcome,
    Prepared,
    Wait,
    best,
    compare_day,
    thresholds,
)
from infra.ops.scaling.scalers import DemandScaler, KafkaScaler, Scaler
from infra.ops.scaling.simulation import StageModel
from infra.ops.scaling.sparkline import drawn, sparkline
from infra.ops.scaling.work import HOUR, Day, Tenant

DAY = Day("short", (Tenant("flooding"), Tenant("small")), ((0, 0), (600, 0), *((0, 1) for _ in range(120))))
FEW_PARTITIONS = StageModel(partitions=4)
OURS = DemandScaler(5, 2)


def outcome(threshold: int, hours: float, p95: float, p95_helped: float) -> Outcome:
    return Outcome(KafkaScaler(threshold, 8), hours, p95, p95_helped, 0)


def day(demand: Outcome, *kafka: Outcome) -> DayCompared:
    return DayCompared(DAY, demand, {one.scaler: one for one in kafka})


@pytest.mark.parametrize(("wait", "threshold"), [(Wait.HELPED, 8), (Wait.ALL, 9), (Wait.BOTH, 7)])
def test_the_best_costs_least_of_those_whose_wait_is_no_worse(wait: Wait, threshold: int) -> None:
    ours = outcome(1, 2, 100, 10)
    compared = day(
        ours, outcome(7, 4, 100, 9), outcome(8, 3, 101, 10), outcome(9, 2.5, 90, 11), outcome(10, 1, 101, 11)
    )

    found = compared.best(wait)

    assert found
    assert found.scaler.target == threshold
    assert compared.ratio(found) == 2 / found.hours


def test_one_threshold_for_all_days_is_no_worse_on_any_of_them() -> None:
    ours = outcome(1, 2, 100, 10)
    first = day(ours, outcome(7, 4, 100, 9), outcome(8, 1, 100, 10))
    second = day(ours, outcome(7, 4, 100, 9), outcome(8, 1, 100, 11))

    assert best([first], Wait.HELPED) == KafkaScaler(8, 8)
    assert best([first, second], Wait.HELPED) == KafkaScaler(7, 8)
    assert "7: 50%" in "\n".join(readings([first, second]))


def test_there_is_none_where_each_lets_somebody_wait_longer() -> None:
    compared = day(outcome(1, 2, 1, 1), outcome(7, 1, 9, 9), outcome(8, 9, 5, 5))

    assert compared.best(Wait.HELPED) is None
    assert "none" in readings([compared])[1]


class Scripted:
    """Waits grow with the threshold; from `from_` on the limit to partitions with lag would make a difference."""

    def __init__(self, from_: int) -> None:
        self.ran: list[Scaler] = []
        self._from = from_

    def run(self, scalers: Sequence[Scaler]) -> list[Outcome]:
        self.ran += scalers
        return [
            replace(outcome(1, 1, s.target, s.target), scaler=s, limit_matters=s.target >= self._from) for s in scalers
        ]


def test_the_limit_is_tried_where_it_makes_a_difference() -> None:
    runner = Scripted(from_=3)

    compared = compare_day(runner, DAY, FEW_PARTITIONS, tried=[1, 3])

    assert [scaler.name for scaler in runner.ran] == [
        "demand", "lagThreshold 1", "lagThreshold 3", "lagThreshold 3, limitToPartitionsWithLag",
    ]  # fmt: skip
    assert compared.under(KafkaScaler(1, 4, True)) is compared.under(KafkaScaler(1, 4))
    assert compared.under(KafkaScaler(5, 4)) is None


def test_thresholds_that_can_only_be_worse_are_left_out() -> None:
    runner = Scripted(from_=1000)

    compare_day(runner, DAY, FEW_PARTITIONS, tried=range(1, 100))

    assert len(runner.ran) - 1 == BATCH * (
        1 + STOP_AFTER
    )  # in the first batch there is one that waits no longer than ours


@pytest.mark.parametrize("slots", [5, 64])
def test_thresholds_are_close_where_one_can_be_as_good_as_the_demand(slots: int) -> None:
    tried = thresholds(slots)
    near = [one for one in tried if 0.8 * slots <= one <= 3 * slots]

    assert tried[0] <= 0.5 * slots
    assert tried[-1] >= 100 * slots
    assert all(after <= max(before + 1, 1.2 * before) for before, after in pairwise(near))


def test_a_flood_costs_the_best_threshold_more_than_our_demand() -> None:
    compared = compare_day(InThisProcess(DAY, FEW_PARTITIONS), DAY, FEW_PARTITIONS, tried=(2, 10, 50))
    found = compared.best(Wait.ALL)

    assert compared.demand.hours == 0
    assert compared.kafka[KafkaScaler(10, 4)].hours > 1
    assert found
    assert len(drawn(compared, found)) == 7


def test_a_limit_that_makes_no_difference_gives_the_same_day() -> None:
    many = Day(
        "many", tuple(Tenant(f"t{n}") for n in range(12)), ((0,) * 12, (9,) * 12, *((1,) * 12 for _ in range(20)))
    )
    prepared = Prepared.of(many, StageModel(partitions=12), 2)

    plain, limited = (prepared.outcome(KafkaScaler(20, 12, only)) for only in (False, True))

    assert not plain.limit_matters
    assert plain.hours > 0
    assert (plain.hours, plain.p95, plain.p95_helped) == (limited.hours, limited.p95, limited.p95_helped)


def test_whom_workers_help_are_those_who_wait_neither_for_their_cap_nor_for_a_hold() -> None:
    held = Tenant("held", held=((0.0, HOUR),))
    mixed = Day("mixed", (Tenant("capped", cap=1), Tenant("free"), held), ((2, 5, 1),))

    ((_, events, who),) = Prepared.of(mixed, FEW_PARTITIONS, 1).runs

    assert [sum(is_helped for event, is_helped in zip(events, who, strict=True) if event.tenant == n) for n in range(3)] == [
        1, 5, 0,
    ]  # fmt: skip


def test_the_large_cell_is_the_stage_as_it_ships() -> None:
    large, small = CELLS["large"].model, CELLS["small"].model

    assert (large.slots, large.behaviour.minimum, large.behaviour.maximum) == (64, 2, 20)
    assert (small.slots, small.behaviour.minimum, small.behaviour.maximum) == (5, 2, 10)


def test_whatever_is_above_none_shows() -> None:
    assert sparkline([0, 1, 500, 1000], 1000) == " ▁▄█"
