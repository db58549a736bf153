"""Restarts and scaling under traffic, with a model that takes long: nothing is lost, nothing said twice, and no call repeated.

`TICKETSTREAM_TEST_MODEL_SECONDS=30` makes it what the promise is about.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from infra.ops.local.model_server import ModelFault
from schemas.topics import Stage
from tests.integration.kills.town import PATIENCE, Extra, Town
from tests.integration.kills.traffic import Traffic

MODEL_SECONDS = float(os.environ.get("TICKETSTREAM_TEST_MODEL_SECONDS", "4"))
SYNTHESIZE = Stage.SYNTHESIZE.value
OTHERS = ("ingest", *(stage.value for stage in Stage if stage is not Stage.SYNTHESIZE))


@pytest.fixture(autouse=True)
def slow_model(town: Town) -> Iterator[None]:
    town.model.faults.set([ModelFault(kind="latency", seconds=MODEL_SECONDS)])
    yield
    town.model.faults.clear()


async def stopped(extra: Extra) -> None:
    """Its calls may end first."""
    extra.process.terminate()
    assert await asyncio.wait_for(extra.process.wait(), MODEL_SECONDS + PATIENCE) == 0


@pytest.mark.timeout(400)
async def test_scaling_and_a_rolling_restart_of_everything_repeat_no_call(town: Town) -> None:
    await town.real_times()
    traffic = Traffic(town, await town.tenants(8, jobs=8))
    async with traffic.flowing(per_second=2):
        second = await town.start(SYNTHESIZE)
        third, fourth = await asyncio.gather(town.start(SYNTHESIZE), town.start(SYNTHESIZE))
        await asyncio.sleep(MODEL_SECONDS / 2)  # calls run in all four
        await asyncio.gather(stopped(second), stopped(third))
        for service in OTHERS:
            await town.restart(service)
        await town.restart(SYNTHESIZE)
        fifth, _ = await asyncio.gather(town.start(SYNTHESIZE), stopped(fourth))
    await traffic.all_said_once(seconds=MODEL_SECONDS * 3 + PATIENCE)
    await stopped(fifth)

    calls = traffic.calls()
    made = sum(map(len, calls.values()))
    print(f"{len(traffic.told)} tickets, {made} model calls of {MODEL_SECONDS:.0f} s")  # noqa: T201
    assert [found for found in calls.values() if found != [200]] == []
    assert made == len(traffic.told)


@pytest.mark.timeout(400)
async def test_a_kill_repeats_only_the_calls_that_ran_in_the_killed(town: Town) -> None:
    await town.real_times()
    for _ in range(3):  # on a busy machine what a worker has in flight may not have got to its call
        victim = await town.start(SYNTHESIZE)
        traffic = Traffic(town, await town.tenants(8, jobs=8))
        async with traffic.flowing(per_second=2):
            await town.works(victim, SYNTHESIZE, events=2)
            await asyncio.sleep(MODEL_SECONDS / 4)
            victim.process.kill()
            await asyncio.sleep(MODEL_SECONDS / 2)
        await traffic.all_said_once(seconds=MODEL_SECONDS * 3 + PATIENCE)

        calls = traffic.calls()
        repeated = [sorted(found) for found in calls.values() if found != [200]]
        made = sum(map(len, calls.values()))
        print(f"{len(traffic.told)} tickets, {made} model calls, {len(repeated)} ran in the killed")  # noqa: T201
        assert all(found == [0, 200] for found in repeated), repeated
        assert len(calls) == len(traffic.told)
        if repeated:
            return
    pytest.fail("three kills came too early to prove anything")
