"""Our demand beside a sweep of KEDA's Kafka scaler, on the same days with the same calls.

The best threshold is that with the fewest worker-hours above the minimum among those that let nobody wait longer, by the 95th
percentile: neither all events together, nor those that would start at once if there were workers enough. The second kind is what
workers are for: an event behind its tenant's own cap or a hold waits whatever the scaler does, and where a tenant floods, such
events are most of all.

A ScaledObject has one threshold, so the best is one that does so on every day compared. What each single day's own best would be,
known only afterwards, is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from statistics import quantiles
from typing import Protocol

from infra.ops.scaling.scalers import DemandScaler, KafkaScaler, Scaler
from infra.ops.scaling.simulation import Run, Sample, Simulation, StageModel
from infra.ops.scaling.work import Day

THRESHOLDS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000)
SEED = 6
LEAST_HOURS = 0.01
"""Less than this is none."""
ENOUGH_SLOTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a day comes to under a scaler. Waits in seconds, from an event's arrival to the start of its call; `p95_helped` of those
    events that would start at once if there were workers enough."""

    scaler: Scaler
    hours: float
    p95: float
    p95_helped: float
    rebalances: int
    samples: Sequence[Sample] = ()

    def waits_no_longer_than(self, other: Outcome) -> bool:
        return self.p95 <= other.p95 and self.p95_helped <= other.p95_helped


@dataclass(frozen=True, slots=True)
class DayCompared:
    day: Day
    demand: Outcome
    kafka: Sequence[Outcome]
    """In the order of the sweep, the same for every day."""

    def ratio(self, kafka: Outcome) -> float:
        """Our worker-hours above the minimum to its."""
        if self.demand.hours < LEAST_HOURS > kafka.hours:
            return 1.0
        return self.demand.hours / max(kafka.hours, LEAST_HOURS)

    @property
    def own_best(self) -> Outcome:
        """Of this day alone, known afterwards."""
        return self.kafka[best([self])]


class Mapper(Protocol):
    """Like `map`, and an executor's `map`."""

    def __call__(self, function: Callable[[Scaler], Outcome], scalers: Iterable[Scaler], /) -> Iterable[Outcome]: ...


def compare_day(
    day: Day, model: StageModel, *, thresholds: Sequence[int] = THRESHOLDS, executor: Executor | None = None
) -> DayCompared:
    """Raises ValueError where a day has more tenants than there are partitions."""
    run = partial(outcome, day, model, helped(day, model))
    demand = DemandScaler(model.slots, model.behaviour.minimum)
    sweep = [KafkaScaler(number, model.partitions, limited) for limited in (False, True) for number in thresholds]
    ours, *kafka = (executor.map if executor else map)(run, [demand, *sweep])
    return DayCompared(day, ours, kafka)


def best(days: Sequence[DayCompared]) -> int:
    """Which of the sweep does best on these days together. Where none lets people wait no longer on each of them, the one with the
    shortest waits."""
    numbers = range(len(days[0].kafka))
    good = [number for number in numbers if reached(days, number)]
    if good:
        return min(good, key=lambda number: sum(day.kafka[number].hours for day in days))
    return min(numbers, key=lambda number: sum(day.kafka[number].p95_helped for day in days))


def reached(days: Iterable[DayCompared], number: int) -> bool:
    """Whether with this one of the sweep nobody waits longer than with ours, on any of the days."""
    return all(day.kafka[number].waits_no_longer_than(day.demand) for day in days)


def helped(day: Day, model: StageModel) -> list[bool]:
    """Of each event, in order of arrival, whether it would start at once if there were workers enough."""
    run = _run(day, replace(model, slots=ENOUGH_SLOTS, join_pause=0.0), None)
    return [wait <= 0.0 for wait in run.waits]


def outcome(day: Day, model: StageModel, who: Sequence[bool], scaler: Scaler) -> Outcome:
    run = _run(day, model, scaler)
    of_helped = [wait for wait, is_helped in zip(run.waits, who, strict=True) if is_helped]
    return Outcome(scaler, run.worker_hours, p95(run.waits), p95(of_helped), run.rebalances, run.samples)


def p95(waits: Sequence[float]) -> float:
    return quantiles(waits, n=20, method="inclusive")[18] if len(waits) > 1 else sum(waits)


def _run(day: Day, model: StageModel, scaler: Scaler | None) -> Run:
    return Simulation(day.tenants, day.events(Random(SEED)), scaler, model, SEED).run()


def table(days: Sequence[DayCompared]) -> list[Mapping[str, float | str]]:
    """Every scaler on every day, for those who want to judge for themselves."""
    return [
        {
            "day": day.day.name, "scaler": one.scaler.name, "hours": round(one.hours, 2), "p95": round(one.p95, 1),
            "p95_helped": round(one.p95_helped, 1), "rebalances": one.rebalances,
        }
        for day in days
        for one in (day.demand, *day.kafka)
    ]  # fmt: skip
