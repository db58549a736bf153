"""The simulation's laws: what a stage does whatever the scaler says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from infra.ops.scaling.autoscaler import Behaviour
from infra.ops.scaling.lane import Lane
from infra.ops.scaling.scalers import DemandScaler, KafkaScaler
from infra.ops.scaling.simulation import Run, Simulation, StageModel
from infra.ops.scaling.work import HOUR, Event, Tenant, call_seconds

MODEL = StageModel(slots=4, partitions=8)
TENANTS = (Tenant("steady"), Tenant("bursting"), Tenant("large", cap=8), Tenant("held", held=((HOUR, 3 * HOUR),)))


def some_events(seed: int = 1) -> list[Event]:
    """Two hours; one tenant sends 120 at once, another is held for the second hour and the third."""
    random = Random(seed)
    events = [
        Event(random.uniform(0, 2 * HOUR), tenant, call_seconds(random)) for tenant in (0, 2, 2, 3) for _ in range(300)
    ]
    return sorted([*events, *(Event(HOUR / 2, 1, call_seconds(random)) for _ in range(120))])


class Watched(Simulation):
    """Notes down each start, and looks at the laws that hold at every moment."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.starts = Counter[tuple[str, int]]()
        self.joined_at = dict[int, float]()
        self.most_running = 0

    def _start_what_may(self, worker) -> None:  # type: ignore[no-untyped-def]
        before = worker.running
        super()._start_what_may(worker)
        if worker.running > before:
            assert worker.joined
            assert self.now >= self._paused_until
        assert all(one.running <= one.slots for one in self.workers)
        assert all(lane.running <= lane.cap for lane in self.lanes)
        self.most_running = max(self.most_running, sum(lane.running for lane in self.lanes))

    def _done(self, worker, lane: Lane, offset: int) -> None:  # type: ignore[no-untyped-def]
        self.starts[lane.tenant.name, offset] += 1
        super()._done(worker, lane, offset)

    def _join(self, new) -> None:  # type: ignore[no-untyped-def]
        super()._join(new)
        self.joined_at |= {worker.number: self.now for worker in new}


@pytest.mark.parametrize(
    "scaler", [DemandScaler(4, 2), KafkaScaler(3, 8), KafkaScaler(10, 8, True)], ids=lambda s: s.name
)
def test_every_event_is_handled_once_within_cap_and_slots(scaler: DemandScaler | KafkaScaler) -> None:
    events = some_events()
    simulation = Watched(TENANTS, events, scaler, MODEL)

    run = simulation.run()

    assert len(run.waits) == len(events) == simulation.starts.total() == len(simulation.starts)
    assert min(run.waits) >= 0
    assert all(lane.behind == lane.open == lane.running == 0 for lane in simulation.lanes)
    assert run.rebalances > 1
    assert simulation.most_running > 2 * MODEL.slots  # there were more workers than the minimum


def test_a_new_worker_takes_nothing_before_it_is_warm() -> None:
    simulation = Watched(TENANTS, some_events(), KafkaScaler(3, 8), replace(MODEL, warm_up=15.0))
    run = simulation.run()

    first_added = next(sample.at for sample in run.samples if sample.workers > 2)

    assert min(at for number, at in simulation.joined_at.items() if number >= 2) == first_added + 15.0


def test_nothing_starts_while_the_workers_share_out_their_partitions() -> None:
    slow = replace(MODEL, join_pause=30.0)

    assert Simulation(TENANTS, [Event(1.0, 0, 10.0)], None, slow).run().waits == [29.0]


def test_the_same_day_gives_the_same_figures() -> None:
    first, second = (Simulation(TENANTS, some_events(), DemandScaler(4, 2), MODEL, 5).run() for _ in range(2))

    assert (first.waits, first.worker_seconds) == (second.waits, second.worker_seconds)


def test_workers_above_the_minimum_are_what_is_paid() -> None:
    run = Simulation(TENANTS, some_events(), KafkaScaler(3, 8), MODEL).run()
    by_samples = sum(15.0 * (sample.workers - 2) for sample in run.samples)

    assert run.worker_seconds == pytest.approx(by_samples, rel=0.05)


def test_a_flooding_tenant_makes_the_kafka_scaler_add_workers_and_ours_not() -> None:
    flood = [Event(float(number) / 10, 0, 20.0) for number in range(3000)]
    ours, kafka = (
        Simulation(TENANTS[:3], flood, scaler, MODEL).run() for scaler in (DemandScaler(4, 2), KafkaScaler(50, 8))
    )

    assert ours.worker_hours == 0
    assert kafka.worker_hours > 10
    assert ours.waits == pytest.approx(kafka.waits, rel=0.02, abs=60)  # nobody got anything from it


def test_a_held_tenant_makes_the_kafka_scaler_add_workers_and_ours_not() -> None:
    waiting = [Event(HOUR + number, 3, 20.0) for number in range(300)]
    ours, kafka = (held_run(waiting, scaler) for scaler in (DemandScaler(4, 2), KafkaScaler(50, 8)))

    assert ours.worker_hours == 0
    assert kafka.worker_hours > 2
    assert min(one + event.at for one, event in zip(ours.waits, waiting, strict=True)) >= 3 * HOUR


def held_run(events: list[Event], scaler: DemandScaler | KafkaScaler) -> Run:
    return Simulation(TENANTS, events, scaler, MODEL).run()


def test_there_are_never_more_workers_than_the_maximum() -> None:
    model = replace(MODEL, behaviour=Behaviour(minimum=1, maximum=3))
    run = Simulation(TENANTS, some_events(), KafkaScaler(1, 8), model).run()

    joined_and_leaving = max(sample.workers for sample in run.samples)

    assert 3 <= joined_and_leaving <= 4  # one may still end its calls


def test_more_tenants_than_partitions_are_refused() -> None:
    with pytest.raises(ValueError, match="9 tenants need as many partitions"):
        Simulation([Tenant(str(number)) for number in range(9)], [], None, MODEL)
