"""Which threshold is the best, and a short day that a flood makes dear for the Kafka scaler."""

from __future__ import annotations

from infra.ops.scaling.comparison import DayCompared, Outcome, best, compare_day, reached
from infra.ops.scaling.scalers import KafkaScaler
from infra.ops.scaling.simulation import StageModel
from infra.ops.scaling.sparkline import drawn, sparkline
from infra.ops.scaling.work import Day, Tenant

DAY = Day("short", (Tenant("flooding"), Tenant("small")), ((0, 0), (600, 0), *((0, 1) for _ in range(120))))


def outcome(hours: float, p95: float, p95_helped: float) -> Outcome:
    return Outcome(KafkaScaler(1, 8), hours, p95, p95_helped, 0)


def test_the_best_costs_least_of_those_that_let_nobody_wait_longer_on_any_day() -> None:
    ours = outcome(2, 100, 10)
    cheap, slow_for_some, good = outcome(1, 101, 10), outcome(1, 90, 11), outcome(4, 100, 9)
    first = DayCompared(DAY, ours, [cheap, slow_for_some, good])
    second = DayCompared(DAY, ours, [good, good, good])

    assert best([first, second]) == 2
    assert first.own_best is good
    assert first.ratio(good) == 0.5


def test_where_none_reaches_it_the_shortest_wait_is_the_best() -> None:
    day = DayCompared(DAY, outcome(2, 1, 1), [outcome(1, 9, 9), outcome(9, 5, 5)])

    assert best([day]) == 1
    assert not reached([day], 1)


def test_a_flood_costs_the_best_threshold_more_than_our_demand() -> None:
    compared = compare_day(DAY, StageModel(partitions=4), thresholds=(2, 10, 50))

    assert compared.demand.hours == 0
    assert compared.own_best.hours >= compared.demand.hours
    assert compared.kafka[1].hours > 1
    assert len(drawn(compared, compared.own_best)) == 7


def test_whatever_is_above_none_shows() -> None:
    assert sparkline([0, 1, 500, 1000], 1000) == " ▁▄█"
