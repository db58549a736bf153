"""Our demand beside a sweep of KEDA's Kafka scaler, on the same days with the same calls.

The best threshold is that with the fewest worker-hours above the minimum among those with no worse wait, by the 95th percentile.
A ScaledObject has one threshold; chosen for each day alone, knowing that day, it is the strongest opponent that there can be.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing import get_context
from random import Random
from statistics import mean, quantiles
from types import TracebackType
from typing import Protocol, Self

from infra.ops.scaling.scalers import DemandScaler, KafkaScaler, Scaler
from infra.ops.scaling.simulation import Sample, Simulation, StageModel
from infra.ops.scaling.work import Day, Event

SEED = 6
LEAST_HOURS = 0.01
"""Less than this is none."""
ENOUGH_SLOTS = 1_000_000
BATCH = 2
STOP_AFTER = 3
"""Batches in a row of ever higher thresholds with which every wait is longer than with ours: still higher ones are hopeless."""
_STEPS = (
    0.4, 0.6, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.2, 3.6, 4.0, 5.0, 6.0,
    8.0, 10.0, 12.0, 16.0, 20.0, 30.0, 40.0, 60.0, 100.0, 200.0,
)  # fmt: skip
"""Thresholds, as parts of a worker's slots: closest where a threshold can be as good as our demand."""


class Wait(StrEnum):
    """Whose 95th percentile may not be worse. HELPED: of those events that would start at once if there were workers enough. They
    are whom workers help: what is behind its tenant's own cap or a hold waits whatever the scaler does. ALL: of every event; where
    tenants send in bursts, those are a burst's last ones, behind their own cap. BOTH: neither."""

    HELPED = "helped"
    ALL = "all"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a day comes to under a scaler, on average of its runs. Waits in seconds, from an event's arrival to its call's start."""

    scaler: Scaler
    hours: float
    p95: float
    p95_helped: float
    rebalances: float
    samples: Sequence[Sample] = ()
    """Of the first run."""
    limit_matters: bool = False
    """Of KEDA's Kafka scaler without `limitToPartitionsWithLag`: whether with it another number of workers was ever wanted."""

    def no_worse_than(self, other: Outcome, wait: Wait) -> bool:
        helped, everyone = self.p95_helped <= other.p95_helped, self.p95 <= other.p95
        return {Wait.HELPED: helped, Wait.ALL: everyone, Wait.BOTH: helped and everyone}[wait]


@dataclass(frozen=True, slots=True)
class DayCompared:
    day: Day
    demand: Outcome
    kafka: Mapping[Scaler, Outcome]
    """By scaler, up to the first that are hopeless; with `limitToPartitionsWithLag` only where that makes a difference."""

    def ratio(self, kafka: Outcome) -> float:
        """Our worker-hours above the minimum to its."""
        if self.demand.hours < LEAST_HOURS > kafka.hours:
            return 1.0
        return self.demand.hours / max(kafka.hours, LEAST_HOURS)

    def under(self, scaler: Scaler) -> Outcome | None:
        """None where it is hopeless."""
        same = replace(scaler, only_with_lag=False) if isinstance(scaler, KafkaScaler) else scaler
        return self.kafka.get(scaler) or self.kafka.get(same)

    def best(self, wait: Wait) -> Outcome | None:
        """Of this day alone."""
        scaler = best([self], wait)
        return self.under(scaler) if scaler else None


def best(days: Sequence[DayCompared], wait: Wait) -> Scaler | None:
    """The one of the sweep that does best on these days together; None where each lets somebody wait longer on one of them."""
    good: dict[Scaler, float] = {}
    for scaler in {scaler: None for day in days for scaler in day.kafka}:
        found = [(day.under(scaler), day.demand) for day in days]
        if all(one and one.no_worse_than(demand, wait) for one, demand in found):
            good[scaler] = sum(one.hours for one, _ in found if one)
    return min(good, key=lambda scaler: good[scaler], default=None)


def thresholds(slots: int) -> list[int]:
    """Those tried, in order."""
    return sorted({round(slots * step) for step in _STEPS} - {0})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A day's events, run by run, and of each whether it would start at once if there were workers enough."""

    day: Day
    model: StageModel
    runs: tuple[tuple[int, Sequence[Event], Sequence[bool]], ...]

    @classmethod
    def of(cls, day: Day, model: StageModel, runs: int) -> Prepared:
        seeds = range(SEED, SEED + runs)
        made = [(seed, day.events(Random(seed))) for seed in seeds]
        return cls(day, model, tuple((seed, events, helped(day, events, model)) for seed, events in made))

    def outcome(self, scaler: Scaler) -> Outcome:
        runs = [Simulation(self.day.tenants, events, scaler, self.model, seed).run() for seed, events, _ in self.runs]
        waits = [wait for run in runs for wait in run.waits]
        who = (is_helped for _, _, one in self.runs for is_helped in one)
        of_helped = [wait for wait, is_helped in zip(waits, who, strict=True) if is_helped]
        hours, rebalances = mean(run.worker_hours for run in runs), mean(run.rebalances for run in runs)
        limits = any(_limited(sample, scaler, self.model.behaviour.maximum) for run in runs for sample in run.samples)
        return Outcome(scaler, hours, p95(waits), p95(of_helped), rebalances, runs[0].samples, limits)


def _limited(sample: Sample, scaler: Scaler, maximum: int) -> bool:
    return sample.told // scaler.target > sample.lagging < maximum


def helped(day: Day, events: Sequence[Event], model: StageModel) -> list[bool]:
    """Of each event, in order of arrival, whether it would start at once if there were workers enough."""
    run = Simulation(day.tenants, events, None, replace(model, slots=ENOUGH_SLOTS, join_pause=0.0), SEED).run()
    return [wait <= 0.0 for wait in run.waits]


class Runner(Protocol):
    def run(self, scalers: Sequence[Scaler]) -> list[Outcome]:
        """Of each, in their order."""


def compare_day(runner: Runner, day: Day, model: StageModel, *, tried: Sequence[int] | None = None) -> DayCompared:
    """The sweep goes from the lowest threshold to the highest, without and with `limitToPartitionsWithLag`; the latter is run only
    where it makes a difference."""
    (demand,) = runner.run([DemandScaler(model.slots, model.behaviour.minimum)])
    kafka: dict[Scaler, Outcome] = {}
    hopeless = 0
    for some in batched(thresholds(model.slots) if tried is None else tried):
        found = {one.scaler: one for one in runner.run([KafkaScaler(number, model.partitions) for number in some])}
        bound = [KafkaScaler(number, model.partitions, True) for number in some]
        run = [scaler for scaler in bound if found[replace(scaler, only_with_lag=False)].limit_matters]
        found |= {one.scaler: one for one in runner.run(run)}
        kafka |= found
        hopeless = hopeless + 1 if all(_hopeless(one, demand) for one in found.values()) else 0
        if hopeless == STOP_AFTER:
            break
    return DayCompared(day, demand, kafka)


def _hopeless(one: Outcome, demand: Outcome) -> bool:
    return not any(one.no_worse_than(demand, wait) for wait in Wait)


def batched(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[first : first + BATCH] for first in range(0, len(numbers), BATCH))


class InThisProcess:
    def __init__(self, day: Day, model: StageModel, runs: int = 1) -> None:
        self._prepared = Prepared.of(day, model, runs)

    def run(self, scalers: Sequence[Scaler]) -> list[Outcome]:
        return [self._prepared.outcome(scaler) for scaler in scalers]


class InProcesses:
    """As many processes as there are cores; each makes the day's events once. Use as a context manager."""

    def __init__(self, day: Day, model: StageModel, runs: int = 1) -> None:
        self._executor = ProcessPoolExecutor(
            mp_context=get_context("spawn"), initializer=_prepare, initargs=(day, model, runs)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._executor.shutdown(cancel_futures=True)

    def run(self, scalers: Sequence[Scaler]) -> list[Outcome]:
        return list(self._executor.map(_outcome, scalers))


_here: list[InThisProcess] = []
"""Of a process of InProcesses: what it prepared."""


def _prepare(day: Day, model: StageModel, runs: int) -> None:
    _here.append(InThisProcess(day, model, runs))
    gc.freeze()  # millions of small objects that stay: not worth looking through


def _outcome(scaler: Scaler) -> Outcome:
    return _here[0].run([scaler])[0]


def p95(waits: Sequence[float]) -> float:
    return quantiles(waits, n=20, method="inclusive")[18] if len(waits) > 1 else sum(waits)


def table(days: Sequence[DayCompared]) -> list[Mapping[str, float | str]]:
    """Every scaler on every day, for those who want to judge for themselves."""
    return [
        {
            "day": day.day.name, "scaler": one.scaler.name, "hours": round(one.hours, 2), "p95": round(one.p95, 1),
            "p95_helped": round(one.p95_helped, 1), "rebalances": round(one.rebalances, 1),
        }
        for day in days
        for one in (day.demand, *day.kafka.values())
    ]  # fmt: skip
