"""What is shown of lag, held against a ledger of what the workers really did, while they come, work and die."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.ops.lag.offsets import PartitionLag
from infra.ops.lag.reading import FromKafka, KafkaReader
from infra.runtime.kafka.client_settings import KafkaClient, KafkaSettings
from schemas.topics import Stage
from tests.integration.infra.runtime.stream.echo_stage import PARTITIONS
from tests.integration.infra.runtime.stream.stage_world import StageWorld, until

PREFIX, CAP, EVENTS = "exact-", 5, 20
SECONDS = 2.5
"""For one event: between two commits of a worker, a second apart, it finishes less than what it has in flight."""


@pytest.fixture(scope="module")
async def world(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StageWorld]:
    async with StageWorld(kafka, PREFIX, tmp_path_factory.mktemp("exact")) as world:
        yield world


@pytest.fixture(scope="module")
async def reader(kafka: str) -> AsyncIterator[KafkaReader]:
    async with KafkaReader(KafkaClient(KafkaSettings(bootstrap_servers=kafka)), PREFIX) as reader:
        yield reader


def done(world: StageWorld) -> Counter[int]:
    """Events finished at least once, by partition."""
    finished = {event_id for _, event_id, what in world.calls() if what == "finished"}
    return Counter(int(event_id.split("-")[1]) for event_id in finished)


async def shown(reader: KafkaReader) -> tuple[dict[int, PartitionLag], FromKafka]:
    found = await reader.read()
    return dict(found.offsets.stages[Stage.ENRICH]), found


async def test_while_four_workers_work_and_one_is_killed_lag_is_off_by_no_more_than_what_is_in_flight(
    world: StageWorld, reader: KafkaReader
) -> None:
    workers = [world.start(options={"session": 6}) for _ in range(PARTITIONS)]
    await asyncio.gather(*(worker.ready() for worker in workers))
    for partition in range(PARTITIONS):
        await world.feed(partition, [f"slow {SECONDS}"] * EVENTS, "moving")
    killed, looks, busiest = False, 0, 0
    while sum(done(world).values()) < PARTITIONS * EVENTS:
        before = done(world)
        partitions, _ = await shown(reader)
        after = done(world)
        for number, at in partitions.items():
            assert EVENTS - after[number] <= at.lag <= EVENTS - before[number] + CAP, (number, at, before, after)
            busiest = max(busiest, at.running or 0)
        looks += 1
        if not killed and sum(after.values()) > PARTITIONS * EVENTS // 4:
            workers[0].process.send_signal(signal.SIGKILL)
            killed = True
        await asyncio.sleep(0.2)
    assert killed and looks > 10 and busiest == CAP

    async def still() -> bool:
        partitions, found = await shown(reader)
        owners = found.owners[Stage.ENRICH]
        return all(at.lag == 0 and at.running == 0 for at in partitions.values()) and owners.members == PARTITIONS - 1

    await until(still, "nothing left, nothing in flight, and the dead worker is gone")


async def test_at_rest_lag_is_exact_with_what_is_done_beyond_a_held_event(
    world: StageWorld, reader: KafkaReader
) -> None:
    before = done(world)[0]
    await world.feed(0, ["hold", *["echo"] * 7], "resting")

    async def finished() -> bool:
        return done(world)[0] == before + 7

    await until(finished, "all but the held one are done")

    async def exact() -> bool:
        at = (await shown(reader))[0][0]
        return (at.lag, at.done, at.running) == (1, 7, 0)

    await until(exact, "one event waits, seven are done beyond it")
    _, found = await shown(reader)
    age = found.now - (found.appended[f"{PREFIX}tickets.received", 0] or 0)
    assert 0 <= age < 120
    assert set(found.owners[Stage.ENRICH].of) == set(range(PARTITIONS))
    (world.folder / "release").touch()

    async def none() -> bool:
        return (await shown(reader))[0][0].lag == 0

    await until(none, "nothing is held any more")


async def test_without_workers_nobody_owns_anything_and_lag_stands(
    world: StageWorld, reader: KafkaReader, tmp_path: Path
) -> None:
    for worker in world.workers[1:]:
        worker.process.terminate()
        await worker.ended(30)
    await world.feed(1, ["echo"] * 3, "alone")

    async def stands() -> bool:
        partitions, found = await shown(reader)
        return partitions[1].lag == 3 and not found.owners[Stage.ENRICH].of

    await until(stands, "three events wait for nobody")
