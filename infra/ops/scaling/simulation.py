"""A day of the stage under one scaler, event by event.

Every scaling step stops the whole stage for a moment, since Faust's rebalances are eager: calls go on, none begins. What a worker
was doing when a partition was taken from it goes on there, in its slot, and counts under the tenant's cap. A worker that is to go
leaves the group at once and ends with its last call; it is paid for until then.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from infra.ops.scaling.autoscaler import Autoscaler, Behaviour
from infra.ops.scaling.lane import Lane
from infra.ops.scaling.scalers import Scaler
from infra.ops.scaling.work import DAY, Event, Tenant
from infra.ops.scaling.worker import Worker, share_out
from infra.runtime.stream.breaker import Breakers

SLOTS = 5
_MIDNIGHT = datetime(2026, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StageModel:
    """`slots` a worker: product.md's "about 5 jobs each". Pauses are those of the worst partition when workers join and leave, as
    measured with 2 → 4 → 2 workers on Kafka 4.1. A try of an event whose tenant is held lasts `try_seconds`."""

    slots: int = SLOTS
    partitions: int = 64
    warm_up: float = 15.0
    join_pause: float = 2.2
    leave_pause: float = 4.1
    try_seconds: float = 10.0
    behaviour: Behaviour = field(default_factory=Behaviour)


@dataclass(slots=True)
class Sample:
    """At a sync of the autoscaler: workers that there are, what waits, what runs, how many tenants have events that aren't handled,
    and the metric that the autoscaler was told."""

    at: float
    workers: int
    waiting: int
    running: int
    lagging: int = 0
    told: int = 0


@dataclass(slots=True)
class Run:
    """What came of a day. `waits` has the seconds from arrival to start of each event, in the order of arrival."""

    waits: list[float]
    worker_seconds: float
    """Above the minimum."""
    rebalances: int
    samples: list[Sample]

    @property
    def worker_hours(self) -> float:
        return self.worker_seconds / 3600


class SimulatedTime:
    """A clock that goes from event to event."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return _MIDNIGHT + timedelta(seconds=self.seconds)


class Simulation:
    """Without a scaler the workers stay as many as the minimum is. `seed` is for what is by chance in it: the moment of the
    autoscaler's first sync and when a held tenant's next try is."""

    def __init__(
        self, tenants: Sequence[Tenant], events: Sequence[Event], scaler: Scaler | None, model: StageModel, seed: int = 0
    ) -> None:  # fmt: skip
        if len(tenants) > model.partitions:
            raise ValueError(f"{len(tenants)} tenants need as many partitions, there are {model.partitions}")
        random = Random(seed)
        self.lanes = [Lane(tenant) for tenant in tenants]
        self.workers: list[Worker] = []
        """All that are paid for: also those that still warm up, and those that have left and end their calls."""
        self._events, self._scaler, self._model = events, scaler, model
        self.now = 0.0
        self._time = SimulatedTime()
        self._autoscaler, self._first_sync = (
            Autoscaler(model.behaviour),
            random.uniform(5, 5 + model.behaviour.sync_seconds),
        )
        self._breakers = Breakers("simulated", self._time, random)
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order, self._numbers = count(), count()
        self._paused_until, self._told = 0.0, 0
        self._paid, self._paid_until = 0.0, 0.0
        self._rebalances = 0
        self._samples: list[Sample] = []
        self._open: dict[Lane, None] = {}
        """Lanes with events that aren't handled."""
        self._waiting = self._running = 0

    def run(self) -> Run:
        """To the end of the day, and on until every event is handled."""
        self._join(self._new_workers(self._model.behaviour.minimum))
        self._look_and_sync_at(self._first_sync)
        agenda, pop = self._agenda, heapq.heappop
        for arrival in self._events:
            while agenda[0][0] < arrival.at:
                self.now, _, action, arguments = pop(agenda)
                action(*arguments)
            self.now = arrival.at
            self._arrived(arrival)
        while self.now < DAY or self._open:
            self.now, _, action, arguments = pop(agenda)
            action(*arguments)
        self._pay()
        return Run(self._waits(), self._paid, self._rebalances, self._samples)

    def _at(self, at: float, action: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), action, arguments))

    def _waits(self) -> list[float]:
        offsets = [count() for _ in self.lanes]
        return [self.lanes[tenant].started[next(offsets[tenant])] - at for at, tenant, _ in self._events]

    # The stage

    def _arrived(self, event: Event) -> None:
        lane = self.lanes[event.tenant]
        if not lane.open:
            self._open[lane] = None
        lane.arrived(event)
        self._waiting += 1
        self._has_work(lane)

    def _has_work(self, lane: Lane) -> None:
        if lane.owner and lane.waiting:
            lane.owner.waits(lane)
            self._start_what_may(lane.owner)

    def _start_what_may(self, worker: Worker) -> None:
        now = self.now
        if now < self._paused_until or worker.left <= now:
            return
        while lane := worker.next(now):
            offset = lane.start()
            worker.took(lane)
            self._waiting, self._running = self._waiting - 1, self._running + 1
            if lane.tenant.held and lane.tenant.down_at(now):
                self._at(now + self._model.try_seconds, self._failed, worker, lane, offset)
            else:
                lane.started[offset] = now
                self._at(now + lane.events[offset].seconds, self._done, worker, lane, offset)

    def _done(self, worker: Worker, lane: Lane, offset: int) -> None:
        lane.done(offset)
        if not lane.open:
            del self._open[lane]
        if lane.tenant.held:
            self._time.seconds = self.now
            self._breakers.succeeded(lane.tenant.name)
        self._ended(worker, lane)

    def _failed(self, worker: Worker, lane: Lane, offset: int) -> None:
        self._time.seconds = self.now
        wait = self._breakers.failed(lane.tenant.name, asked=0, at_most=DAY)
        lane.failed(offset, self.now + wait)
        self._waiting += 1
        self._at(lane.closed_until, self._has_work, lane)
        self._ended(worker, lane)

    def _ended(self, worker: Worker, lane: Lane) -> None:
        worker.running -= 1
        self._running -= 1
        if lane.owner and lane.waiting:
            lane.owner.waits(lane)  # it may have been at its cap
        if worker.left <= self.now:
            self._end_if_idle(worker)
        else:
            self._start_what_may(worker)
        if lane.owner and lane.owner is not worker:
            self._start_what_may(lane.owner)

    # Workers that come and go

    def _new_workers(self, number: int) -> list[Worker]:
        self._pay()
        new = [Worker(next(self._numbers), self._model.slots) for _ in range(number)]
        self.workers += new
        return new

    def _join(self, new: Sequence[Worker]) -> None:
        """Those that weren't stopped while they warmed up."""
        if here := [worker for worker in new if worker in self.workers]:
            for worker in here:
                worker.joined = True
            self._rebalance(self._model.join_pause)

    def _leave(self, number: int) -> None:
        """The youngest; who hasn't joined yet just ends."""
        self._pay()
        chosen = [worker for worker in self.workers if worker.left > self.now][-number:]
        for worker in chosen:
            worker.left = self.now
            self._end_if_idle(worker)
        if any(worker.joined for worker in chosen):
            self._rebalance(self._model.leave_pause)

    def _end_if_idle(self, worker: Worker) -> None:
        if not worker.running:
            self._pay()
            self.workers.remove(worker)

    def _rebalance(self, pause: float) -> None:
        self._rebalances += 1
        members = [worker for worker in self.workers if worker.joined and worker.left > self.now]
        share_out(members, self.lanes, self._model.partitions)
        self._paused_until = max(self._paused_until, self.now + pause)
        self._at(self._paused_until, self._go_on)

    def _go_on(self) -> None:
        for worker in self.workers:
            self._start_what_may(worker)

    def _pay(self) -> None:
        above = max(0, len(self.workers) - self._model.behaviour.minimum)
        self._paid, self._paid_until = self._paid + above * (self.now - self._paid_until), self.now

    # The autoscaler

    def _look_and_sync_at(self, at: float) -> None:
        if self._scaler:
            self._at(at - self._scaler.delay, self._look, self._scaler)
        self._at(at, self._sync)

    def _look(self, scaler: Scaler) -> None:
        self._told = scaler.metric(self._open)

    def _sync(self) -> None:
        workers = sum(worker.left > self.now for worker in self.workers)
        if self._scaler:
            wanted = self._autoscaler.sync(self.now, metric=self._told, target=self._scaler.target, workers=workers)
            if wanted > workers:
                self._at(self.now + self._model.warm_up, self._join, self._new_workers(wanted - workers))
            elif wanted < workers:
                self._leave(workers - wanted)
        sample = Sample(self.now, len(self.workers), self._waiting, self._running, len(self._open), self._told)
        self._samples.append(sample)
        self._look_and_sync_at(self.now + self._model.behaviour.sync_seconds)
