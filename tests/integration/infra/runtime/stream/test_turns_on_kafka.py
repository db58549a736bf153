"""Who runs next, on a real Kafka: turns, caps that change while events run, and memory that is bounded whatever waits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from infra.ops.bench.figures import resident_megabytes
from infra.runtime.stream.faust_app import RECORDS_A_POLL
from infra.runtime.stream.feeder import LEAST_WINDOW
from tests.integration.infra.runtime.stream.echo_stage import PARTITIONS
from tests.integration.infra.runtime.stream.outputs import all_committed, all_out
from tests.integration.infra.runtime.stream.stage_world import StageWorld, until

CAP, WAITING, FILLER = 5, 1500, "x" * 4000


@pytest.fixture
async def world(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[StageWorld]:
    async with StageWorld(kafka, sha256(request.node.name.encode()).hexdigest()[:8] + "-", tmp_path) as world:
        yield world


def under_way(world: StageWorld) -> int:
    calls = world.calls()
    return sum(what == "started" for _, _, what in calls) - sum(what == "finished" for _, _, what in calls)


async def test_tenants_take_turns_however_many_events_each_has(world: StageWorld) -> None:
    many = await world.feed(0, ["slow 0.05"] * 100, "many")
    few = [i for p in (1, 2) for i in await world.feed(p, ["slow 0.05"] * 5, "few")]
    world.start(options={"slots": 2})
    await all_out(world, few)
    started = [event_id for _, event_id, what in world.calls() if what == "started"]
    first = min(started.index(event_id) for event_id in few)
    last = max(started.index(event_id) for event_id in few)
    assert last - first <= 3 * len(few), "three tenants share the slots evenly while all have work"
    await all_out(world, many)


async def test_a_cap_that_is_raised_takes_effect_within_seconds(world: StageWorld) -> None:
    fed = await world.feed(0, ["slow 1"] * 45, "work")
    world.start()

    async def running(count: int) -> bool:
        return under_way(world) == count

    await until(lambda: running(CAP), "as many as the cap allows")
    (world.folder / "cap").write_text("20")
    changed = time.monotonic()
    await until(lambda: running(20), "as many as the new cap allows")
    assert time.monotonic() - changed < 5
    (world.folder / "cap").write_text("2")
    await until(lambda: running(2), "as few as the last cap allows")
    (world.folder / "cap").write_text("30")
    await all_out(world, fed)


async def test_a_held_tenant_with_thousands_waiting_takes_no_memory_and_stops_nobody(world: StageWorld) -> None:
    worker = await world.start().ready()
    idle = resident_megabytes(worker.pid)
    held = await world.feed(0, ["hold lane", *[f"echo {FILLER}"] * WAITING], "held")
    others = [i for p in (1, 2, 3) for i in await world.feed(p, ["echo"] * 200, "others")]
    found = await all_out(world, others)
    assert not found.keys() & set(held)

    async def only_a_window_waits() -> bool:  # the gauge is a second old
        return await worker.metric("events_waiting") <= LEAST_WINDOW + RECORDS_A_POLL

    await until(only_a_window_waits, "of the held tenant no more than its window and one poll")
    assert resident_megabytes(worker.pid) - idle < 80
    (world.folder / "release").touch()
    found = await all_out(world, held, 90)
    assert all(len(found[event_id]) == 1 for event_id in held)
    await all_committed(world, {0: WAITING + 1} | dict.fromkeys(range(1, PARTITIONS), 200))
