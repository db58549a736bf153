"""What the lag service goes on saying when something is away, and what not."""

from __future__ import annotations

import asyncio

import pytest

from infra.ops.lag import watch
from infra.ops.lag.brokers import LagUnknown
from infra.ops.lag.offsets import PartitionLag
from infra.ops.lag.watch import STALE_SECONDS, NotKnown
from schemas.topics import Stage
from tests.unit.infra.ops.lag.watching import World


@pytest.fixture
def world() -> World:
    return World(lags=dict.fromkeys(Stage, PartitionLag(0, 20, running=5)))


async def test_before_the_first_look_nothing_is_known(world: World) -> None:
    assert world.watch.lag() == (None, "nothing was read yet")
    with pytest.raises(NotKnown):
        world.watch.stage(Stage.DELIVER)


async def test_a_look_is_known_until_it_is_stale(world: World) -> None:
    await world.watch.look()
    assert world.watch.stage(Stage.DELIVER).lag == 20
    world.kafka_away = LagUnknown("Kafka did not answer", "check")
    world.now += STALE_SECONDS
    await world.watch.look()
    assert world.watch.stage(Stage.DELIVER).lag == 20
    world.now += 0.1
    with pytest.raises(NotKnown, match="Kafka did not answer"):
        world.watch.stage(Stage.DELIVER)


async def test_a_group_that_cant_be_read_is_unknown_at_once_and_the_others_are_not(world: World) -> None:
    await world.watch.look()
    world.unknown[Stage.DELIVER] = LagUnknown("Kafka refuses", "give it its rights", "refused")
    await world.watch.look()
    with pytest.raises(NotKnown, match="Kafka refuses"):
        world.watch.stage(Stage.DELIVER)
    assert world.watch.stage(Stage.ENRICH).lag == 20
    view, _ = world.watch.lag()
    assert view is not None and view.as_json()["stages"]["deliver"] == {
        "lag": None, "oldest_seconds": None, "tenants": {}, "error": "Kafka refuses",
    }  # fmt: skip


async def test_without_postgres_lags_go_on_but_what_to_scale_is_unknown_once_holds_are_stale(world: World) -> None:
    await world.watch.look()
    world.postgres_away = True
    world.now += STALE_SECONDS + 1
    world.lags[Stage.DELIVER] = PartitionLag(0, 30, running=5)
    await world.watch.look()
    view, wrong = world.watch.lag()
    assert view is not None and view.stages[Stage.DELIVER].lag == 30
    assert "PostgreSQL" in wrong
    with pytest.raises(NotKnown, match="PostgreSQL"):
        world.watch.stage(Stage.DELIVER)


async def test_the_rate_is_known_after_ten_seconds_and_is_the_last_minutes(world: World) -> None:
    rates = []
    for second in range(0, 130, 2):
        handled = second if second < 60 else 60  # 1 a second, then none
        world.lags[Stage.ENRICH] = PartitionLag(handled, 200, running=1)
        await world.watch.look()
        rates.append(world.watch.stage(Stage.ENRICH).tenants["one"].rate)
        world.now += 2
    assert rates[:5] == [None] * 5
    assert rates[5] == rates[30] == 1.0
    assert rates[45] == 0.5 and rates[64] == 0.0


async def test_events_that_are_handled_again_by_another_worker_make_no_negative_rate(world: World) -> None:
    for done in (9, 9, 9, 9, 9, 9, 0):
        world.lags[Stage.ENRICH] = PartitionLag(0, 200, done, running=1)
        await world.watch.look()
        world.now += 2
    assert world.watch.stage(Stage.ENRICH).tenants["one"].rate == 0.0


async def test_a_mistake_in_a_look_doesnt_end_the_looking(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def wrong() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise asyncio.CancelledError
        raise KeyError("closed")

    monkeypatch.setattr(world.watch, "look", wrong)
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.0)
    with pytest.raises(asyncio.CancelledError):
        await world.watch.run()
    assert "KeyError" in world.watch.lag()[1]
