"""The number that the autoscaler is told: our demand for workers, or the lag that KEDA's Kafka scaler reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from infra.ops.lag.demand import Waiting, desired_replicas


class Backlog(Protocol):
    """What can be known of one tenant's partition."""

    @property
    def open(self) -> int:
        """Events that aren't handled, waiting or in flight."""

    @property
    def behind(self) -> int:
        """End offset less committed offset: with what is handled behind an event that isn't."""

    @property
    def cap(self) -> int: ...

    @property
    def is_held(self) -> bool: ...


class Scaler(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def target(self) -> int:
        """For how much of the metric one worker is meant (`AverageValue`)."""

    @property
    def delay(self) -> float:
        """How many seconds old what it tells is."""

    def metric(self, backlogs: Iterable[Backlog]) -> int:
        """`backlogs`: of the tenants with events that aren't handled."""


@dataclass(frozen=True, slots=True)
class DemandScaler:
    """Ours, through KEDA's metrics-api scaler: `/scaling/{stage}` says how many workers shorten somebody's wait."""

    slots: int
    minimum: int
    delay: float = 4.0
    """Of the lag service, at most: what was handled shows in `/scaling` within 4 s, what arrived within 3 s."""
    name: str = "demand"
    target: int = 1

    def metric(self, backlogs: Iterable[Backlog]) -> int:
        waiting = (Waiting(one.open, one.cap, one.is_held) for one in backlogs if one.open)
        return desired_replicas(waiting, slots=self.slots, minimum=self.minimum)


@dataclass(frozen=True, slots=True)
class KafkaScaler:
    """KEDA 2.20's Kafka scaler, with a topic and a group that has committed on each partition. What it reads is taken to be of this
    very moment, which favours it: in truth commits are up to a second old.

    Source: pkg/scalers/kafka_scaler.go of KEDA, `getTotalLag`: the lag of all partitions, bound so that no more workers are asked
    for than there are partitions, or partitions with lag where `limitToPartitionsWithLag` is set. The bound compares whole numbers,
    so it can be passed by one worker.
    """

    threshold: int
    partitions: int
    only_with_lag: bool = False
    """KEDA's `limitToPartitionsWithLag`."""
    delay: float = 0.0

    @property
    def name(self) -> str:
        return f"lagThreshold {self.threshold}" + (", limitToPartitionsWithLag" if self.only_with_lag else "")

    @property
    def target(self) -> int:
        return self.threshold

    def metric(self, backlogs: Iterable[Backlog]) -> int:
        return self.total_lag(one.behind for one in backlogs if one.open)

    def total_lag(self, lags: Iterable[int]) -> int:
        """By the lag of each partition; those without a tenant have none."""
        total = with_lag = 0
        for lag in lags:
            total += lag
            with_lag += lag > 0
        most = with_lag if self.only_with_lag else self.partitions
        return most * self.threshold if total // self.threshold > most else total
