"""What KEDA's Kafka scaler and Kubernetes's autoscaler make of numbers, by their source."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from infra.ops.scaling.autoscaler import Autoscaler, Behaviour, wanted
from infra.ops.scaling.scalers import DemandScaler, KafkaScaler


@pytest.mark.parametrize(
    ("lags", "threshold", "only_with_lag", "total"),
    [
        ([0, 0, 0], 10, False, 0),
        ([3, 4, 0], 10, False, 7),
        ([100, 0, 0], 10, False, 30),  # 10 workers wanted, 3 partitions
        ([39, 0, 0], 10, False, 39),  # 39 // 10 is 3: whole numbers, so the HPA makes 4 workers of it for 3 partitions
        ([100, 0, 0], 10, True, 10),
        ([19, 0, 0], 10, True, 19),
        ([30, 1, 0], 10, True, 20),
        ([1, 1, 1], 1, True, 3),
    ],
)
def test_the_lag_that_the_kafka_scaler_tells(lags: list[int], threshold: int, only_with_lag: bool, total: int) -> None:
    assert KafkaScaler(threshold, len(lags), only_with_lag).total_lag(lags) == total


@dataclass
class Partition:
    open: int
    behind: int
    cap: int = 5
    is_held: bool = False


def test_what_is_handled_behind_an_open_event_counts_for_the_kafka_scaler_only() -> None:
    partitions = [Partition(open=1, behind=9), Partition(open=0, behind=0)]

    assert KafkaScaler(4, 2).metric(partitions) == 9
    assert DemandScaler(5, 0).metric(partitions) == 1


@pytest.mark.parametrize(
    ("metric", "target", "workers", "expected"),
    [
        (30, 10, 2, 3),
        (31, 10, 2, 4),
        (21, 10, 2, 2),  # within a tenth of its target
        (18, 10, 2, 2),
        (17, 10, 2, 2),
        (9, 10, 2, 1),
        (0, 10, 2, 0),
        (11, 1, 10, 11),
        (13, 1, 12, 12),
    ],
)
def test_how_many_workers_a_metric_wants(metric: int, target: int, workers: int, expected: int) -> None:
    assert wanted(metric, target, workers) == expected


def synced(autoscaler: Autoscaler, metrics: list[int], workers: int, *, start: float = 0.0) -> list[int]:
    """The workers after each sync, 15 s apart."""
    seen = []
    for number, metric in enumerate(metrics):
        workers = autoscaler.sync(start + 15.0 * number, metric=metric, target=1, workers=workers)
        seen.append(workers)
    return seen


def test_more_workers_come_once_more_were_wanted_for_two_minutes() -> None:
    assert synced(Autoscaler(Behaviour()), [5] * 10, 2) == [2] * 8 + [5] * 2


def test_a_moment_in_which_less_is_wanted_begins_the_two_minutes_anew() -> None:
    assert synced(Autoscaler(Behaviour()), [5] * 5 + [2] + [5] * 9, 2) == [2] * 13 + [5] * 2


def test_workers_go_once_fewer_were_wanted_for_ten_minutes() -> None:
    assert synced(Autoscaler(Behaviour()), [8] + [3] * 41, 8) == [8] * 40 + [3] * 2


def test_at_most_four_workers_or_as_many_again_come_at_once() -> None:
    quick = Behaviour(up_seconds=0.0, maximum=30)

    assert synced(Autoscaler(quick), [30] * 4, 2) == [6, 12, 24, 30]


def test_there_are_always_the_minimum_and_never_more_than_the_maximum() -> None:
    always = Behaviour(up_seconds=0.0, down_seconds=0.0, minimum=2, maximum=10)

    assert synced(Autoscaler(always), [0, 50, 50, 50], 3)[0] == 2
    assert synced(Autoscaler(always), [50, 50, 50], 3)[-1] == 10
