"""One bad event stops nothing: not even one that kills its worker, or blocks it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from infra.runtime.stream.lifecycle import STUCK
from infra.runtime.stream.ports import HeldEvent
from schemas.events import DeadLetter
from schemas.topics import Topic
from schemas.wire_format import Codec
from tests.integration.infra.runtime.stream.echo_stage import FolderHolds
from tests.integration.infra.runtime.stream.outputs import all_committed, all_out
from tests.integration.infra.runtime.stream.stage_world import StageWorld, until

MOST_DEATHS = 6


@pytest.fixture
async def world(kafka: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[StageWorld]:
    async with StageWorld(kafka, sha256(request.node.name.encode()).hexdigest()[:8] + "-", tmp_path) as world:
        yield world


async def letters(world: StageWorld) -> list[DeadLetter]:
    return [Codec().decode(record.value or b"", Topic.DEAD_LETTERS) for record in await world.seen(Topic.DEAD_LETTERS)]


async def restarted_until(world: StageWorld, done: asyncio.Task[object], options: Mapping[str, float]) -> list[int]:
    """A worker, started again whenever it dies, as a supervisor does; the exit codes of the dead."""
    codes: list[int] = []
    worker = world.start(options=options)
    while not done.done():
        if worker.process.poll() is not None:
            codes.append(worker.process.returncode)
            assert len(codes) <= MOST_DEATHS, f"it dies again and again: {codes}"
            worker = world.start(options=options)
        await asyncio.sleep(0.05)
    await done
    return codes


def started(world: StageWorld, event_id: str) -> int:
    return sum(found == event_id and what == "started" for _, found, what in world.calls())


async def test_an_event_that_kills_its_worker_does_so_three_times_and_no_more(world: StageWorld) -> None:
    before = await world.feed(0, ["slow 0.3"] * 4, "before")
    (killer,) = await world.feed(0, ["die"], "killer")
    behind = await world.feed(0, ["echo"] * 20, "behind")
    others = [i for partition in (1, 2, 3) for i in await world.feed(partition, ["slow 0.3"] * 12, "others")]

    async def letter() -> list[DeadLetter]:
        return await letters(world)

    async def everything() -> list[DeadLetter]:
        await all_out(world, [*before, *behind, *others], 60)
        return await until(letter, "the dead letter")  # type: ignore[no-any-return]

    ending = asyncio.create_task(everything())
    codes = await restarted_until(world, ending, {"session": 2})
    (found,) = ending.result()

    assert codes == [-signal.SIGSEGV] * 3
    assert started(world, killer) == 3
    assert (found.reason, found.attempts, found.original_event_id) == ("crashes_worker", 3, killer)
    await all_committed(world, {0: 25, 1: 12, 2: 12, 3: 12})

    async def rows_gone() -> bool:
        return not list((world.folder / "holds").glob("*.row"))

    await until(rows_gone, "no row is left of those who were only there")


async def test_an_event_that_blocks_the_loop_ends_the_worker_and_is_suspected(world: StageWorld) -> None:
    (blocker,) = await world.feed(0, ["block"], "blocker")
    first = world.start(options={"stuck_after": 2.5})
    assert await first.ended(30) == STUCK
    assert started(world, blocker) == 1
    world.start()

    async def rows() -> list[HeldEvent]:
        return list(await FolderHolds(world.folder / "holds").load("t0", "enrich"))

    (row,) = await until(rows, "the row that the next worker writes")
    assert (row.event_id, row.deaths, row.reason) == (blocker, 1, "crashes_worker")


async def test_held_is_not_stuck(world: StageWorld) -> None:
    """Every lane is held three times as long as the watchdog waits, two of them whole, with windows full behind the heads."""
    worker = await world.start(options={"stuck_after": 2}).ready()
    fed = [i for p in (0, 1) for i in await world.feed(p, ["hold lane", *["echo"] * 150], "lane")]
    fed += [i for p in (2, 3) for i in await world.feed(p, ["hold"] * 151, "ticket")]

    async def held() -> bool:
        return await worker.metric("events_held") >= 100

    await until(held, "windows full of held events")
    await asyncio.sleep(6)  # the time itself is what is tested
    assert worker.process.poll() is None
    (world.folder / "release").touch()
    found = await all_out(world, fed)
    assert all(len(records) == 1 for records in found.values())
    await all_committed(world, dict.fromkeys(range(4), 151))
    assert worker.process.poll() is None
