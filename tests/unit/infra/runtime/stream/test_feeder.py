"""How much is read ahead: a window per partition, a bound for all together, and nobody pays for a neighbour."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from faust.types import TP

from infra.runtime.stream import feeder as feeder_module
from infra.runtime.stream.fakes import FixedLimits, Limit
from infra.runtime.stream.feeder import Feeder
from infra.runtime.stream.lanes import Done, Later, Verdict
from infra.runtime.stream.ledger import Ledger
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.record import RawRecord

TOPIC, KB = "tickets.received", 1024


@dataclass
class Message:
    partition: int
    offset: int
    value: bytes
    topic: str = TOPIC
    key: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()
    generation_id: int = 1
    timestamp: float = 1_767_225_600.5
    timestamp_type: int = 1

    def __post_init__(self) -> None:
        self.headers = (("ce_subject", str(self.offset).encode()),)  # each its own ticket


@dataclass
class Consumer:
    """As much of the Faust consumer as the feeder touches, with the real ledger."""

    partitions: int
    ledger: Ledger = field(default_factory=Ledger)
    revoked: bool = False
    paused: set[TP] = field(default_factory=set)

    def assignment(self) -> set[TP]:
        return {TP(TOPIC, partition) for partition in range(self.partitions)}

    def on_buffer_full(self, tp: TP) -> None:
        self.paused.add(tp)

    def on_buffer_drop(self, tp: TP) -> None:
        self.paused.discard(tp)


class Event:
    def __init__(self, message: Message) -> None:
        self.message = message


class Stream:
    def __init__(self, messages: list[Message]) -> None:
        self._messages = messages

    def noack(self) -> Stream:
        return self

    async def events(self) -> Any:
        for message in self._messages:
            yield Event(message)

    async def ack(self, event: Any) -> None: ...


class World:
    """A feeder whose handler ends each record as `verdicts` says, by partition; what isn't listed is left running."""

    def __init__(self, partitions: int, *, cap: int = 5, detach: bool = False) -> None:
        self.consumer, self.feeders, self.consumer_generation_id = Consumer(partitions), (), 1
        limits = FixedLimits(*(Limit(f"t{number}", number, max_concurrent_jobs=cap) for number in range(partitions)))
        self.feeder = Feeder(self, self.handle, limits, slots=1000, detach=detach)  # type: ignore[arg-type]
        self.verdicts: dict[int, Verdict] = {}
        self.go = asyncio.Event()
        self.seen = list[RawRecord]()
        self.published = list[int]()
        self._offsets = dict.fromkeys(range(partitions), 0)

    async def handle(self, record: RawRecord, current: Any) -> Verdict:
        self.seen.append(record)
        if record.position.partition not in self.verdicts:
            await self.go.wait()
        if current():
            self.published.append(record.position.offset)
        return self.verdicts.get(record.position.partition, Done())

    async def read(self, partition: int, count: int, size: int = 1, *, generation: int = 1) -> None:
        """As Faust hands over what it fetched: into the ledger first, then to the stream."""
        messages = list[Message]()
        for _ in range(count):
            offset = self._offsets[partition]
            self._offsets[partition] += 1
            self.consumer.ledger.add(TP(TOPIC, partition), offset)
            messages.append(Message(partition, offset, b"x" * size, generation_id=generation))
        await self.feeder.consume(Stream(messages))
        await settled()

    def is_paused(self, partition: int) -> bool:
        return TP(TOPIC, partition) in self.consumer.paused


async def settled() -> None:
    """Everything that can go on without time passing has gone on."""
    for _ in range(200):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("cap", "window"), [(1, 64), (5, 64), (20, 160)])
async def test_a_partition_pauses_when_its_window_is_full_and_goes_on_at_half(cap: int, window: int) -> None:
    world = World(2, cap=cap)
    await world.read(0, window - 1)
    assert not world.is_paused(0)
    await world.read(0, 1)
    assert world.is_paused(0) and not world.is_paused(1)
    world.go.set()
    await settled()
    assert not world.is_paused(0)


async def test_a_held_head_closes_the_window_of_its_own_partition_only() -> None:
    world = World(2)
    world.verdicts = {0: Later(3600, Scope.LANE), 1: Done()}
    await world.read(0, 64)
    for _ in range(50):
        await world.read(1, 10)
    assert world.is_paused(0) and not world.is_paused(1)
    waiting, running, held = world.feeder.counts()
    assert (waiting + held, running) == (64, 0) and held >= 1


async def test_bytes_of_all_partitions_are_bounded() -> None:
    world = World(4)
    limit = feeder_module.MAX_WAITING_BYTES
    for count in (30, 1):  # those that were read first are over their share only now
        for partition in range(4):
            await world.read(partition, count, 200 * KB)
    assert all(world.is_paused(partition) for partition in range(4))
    assert sum(world.feeder._waiting_bytes.values()) > limit
    world.go.set()
    await settled()
    assert world.consumer.paused == set()
    assert sum(world.feeder._waiting_bytes.values()) == 0


async def test_held_events_of_some_tenants_never_stop_the_others() -> None:
    """Two tenants whose desks are down fill the bound for hours: a third must flow all the same."""
    world = World(8)
    world.verdicts = {0: Later(3600, Scope.LANE), 1: Later(3600, Scope.LANE), 2: Done()}
    for partition in (0, 1):
        await world.read(partition, 60, 150 * KB)
    assert world.is_paused(1)
    for _ in range(40):
        await world.read(2, 5, 150 * KB)
        assert not world.is_paused(2)
    assert len(world.published) >= 200


async def test_what_an_old_generation_read_is_left_to_be_delivered_again() -> None:
    world = World(1)
    await world.read(0, 3, generation=0)
    world.consumer.revoked = True
    await world.read(0, 3)
    assert world.seen == []


@pytest.mark.parametrize("detach", [True, False])
async def test_after_a_revoke_handlers_that_go_on_know_that_they_lost_the_partition(detach: bool) -> None:
    world = World(1, detach=detach)
    forgotten = list[int]()
    world.feeder.on_revoke = lambda: forgotten.append(1)
    await world.read(0, 3)
    revoking = asyncio.ensure_future(world.feeder.revoke(0.05))
    await settled()
    if detach:
        assert revoking.done()
        world.go.set()
        await settled()
        assert len(world.seen) == 3 and world.published == []
    await revoking
    assert forgotten == [1]
    assert world.feeder.counts()[0] == 0


async def test_without_detach_running_handlers_may_finish_and_publish_while_the_partition_is_still_theirs() -> None:
    world = World(1)
    await world.read(0, 3)
    revoking = asyncio.ensure_future(world.feeder.revoke(5))
    await settled()
    world.go.set()
    await revoking
    assert world.published == [0, 1, 2]
    assert world.consumer.ledger.committable(TP(TOPIC, 0)) == 3


async def test_the_brokers_time_is_taken_and_a_producers_is_not() -> None:
    world = World(1)
    world.verdicts = {0: Done()}
    await world.read(0, 1)
    message = Message(0, 1, b"x", timestamp_type=0)
    world.consumer.ledger.add(TP(TOPIC, 0), 1)
    await world.feeder.consume(Stream([message]))
    await settled()
    times = [record.appended_at for record in world.seen]
    assert [time and time.timestamp() for time in times] == [1_767_225_600.5, None]


async def test_what_is_read_again_after_a_rebalance_is_marked_so() -> None:
    world = World(2)
    world.verdicts = {0: Done(), 1: Done()}
    await world.read(0, 3)
    await world.feeder.revoke(0.0)
    world.consumer.ledger.reset()
    world._offsets[0] = 1
    await world.read(0, 3)
    await world.read(1, 1)
    marked = [(record.position.partition, record.position.offset, record.read_before) for record in world.seen]
    assert marked[:3] == [(0, 0, False), (0, 1, False), (0, 2, False)]
    assert marked[3:] == [(0, 1, True), (0, 2, True), (0, 3, False), (1, 0, False)]
