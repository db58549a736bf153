"""All tenants: one's trouble is no other's, and desks are asked gently."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from prometheus_client import REGISTRY

from infra.ops.reconcile.pace import Pace
from infra.ops.reconcile.ports import Limits, Result
from infra.ops.reconcile.rounds import every
from infra.runtime.postgres.availability import PostgresUnavailable
from schemas.reasons import Reason
from sinks.servicedesk.types import Refused
from tests.unit.infra.ops.reconcile.world import FakeTenant, Seconds, World

THREE = tuple(FakeTenant(f"msp-{name}", number) for number, name in enumerate(("a", "b", "c")))


class Ended(Exception):
    """Stands for being told to stop."""


async def test_one_desks_failure_stops_no_other_tenant() -> None:
    world = World(tenants=THREE)
    for tenant in THREE:
        world.ticket("7", tenant=tenant.tenant_id)
    page = world.desk.page

    async def failing(tenant_id: str, cursor: Any) -> Any:
        if tenant_id == "msp-a":
            return Refused(Reason.DESK_UNAVAILABLE, "down")
        if tenant_id == "msp-b":
            raise ZeroDivisionError
        return await page(tenant_id, cursor)

    world.desk.page = failing  # type: ignore[method-assign]
    reports = await world.reconciler.round(THREE)

    assert [report.result for report in reports] == [Result.FAILED, Result.FAILED, Result.COMPLETE]
    assert [event.tenant_id for event in world.fed] == ["msp-c"]
    assert reports[1].problems[0].reason == "internal_error"


async def test_a_disabled_tenants_desk_is_not_asked() -> None:
    world = World(tenants=(FakeTenant(enabled=False),))
    world.ticket("7")
    assert (await world.round()).result is Result.SKIPPED
    assert world.desk.calls == 0


async def test_without_postgresql_a_round_ends_with_the_reason() -> None:
    world = World()
    world.ticket("7")
    world.state.away = PostgresUnavailable("no connection")
    report = await world.round()
    assert (report.result, report.problems[0].reason) == (Result.FAILED, "database_unavailable")
    assert world.fed == []


async def test_a_run_that_is_told_to_stop_keeps_what_it_did_and_frees_its_tenant() -> None:
    world = World(limits=Limits())
    world.ticket("7")
    world.publisher.gate.clear()
    running = asyncio.create_task(world.reconciler.round(world.tenants))
    while not world.publisher.waiting:
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert world.state.ended[-1][1].result == Result.FAILED
    world.publisher.gate.set()
    assert (await world.round()).fed_in == ("7",)


async def test_what_came_of_the_tickets_is_counted_by_tenant() -> None:
    world = World(tenants=(FakeTenant("msp-counted"),))
    world.ticket("7", tenant="msp-counted")
    await world.round()
    labels = {"tenant_id": "msp-counted", "outcome": "fed_in"}
    assert REGISTRY.get_sample_value("ticketstream_reconcile_tickets_total", labels) == 1


async def test_a_desk_gets_no_more_calls_a_minute_than_it_may() -> None:
    world = World(per_minute=20)
    for number in range(45):
        world.ticket(str(number))
    await world.round()
    assert len(world.fed) == 45
    assert 120 <= world.seconds.now < 180  # 46 calls: 20, 20 and 6


async def test_tenants_on_one_desk_share_its_pace_and_others_do_not_wait() -> None:
    seconds = Seconds()
    pace = Pace(2, monotonic=seconds, sleep=seconds.sleep)
    for desk in ("one", "one", "other"):
        await pace.turn(desk)
    assert seconds.slept == []
    await pace.turn("one")
    assert seconds.slept == [60.0]


async def test_a_pace_forgets_desks_that_nobody_calls() -> None:
    seconds = Seconds()
    pace = Pace(2, monotonic=seconds, sleep=seconds.sleep)
    await pace.turn("one")
    seconds.now = 61.0
    await pace.turn("other")
    pace.forget_idle()
    assert list(pace._calls) == ["other"]


async def test_rounds_come_at_an_interval_with_jitter_the_first_not_at_once() -> None:
    seconds, rounds = Seconds(), 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise Ended

    with pytest.raises(Ended):
        await every(300.0, work, random=Random(1), sleep=seconds.sleep)
    first, *others = seconds.slept
    assert 60.0 <= first <= 300.0
    assert all(270.0 <= wait <= 330.0 for wait in others)
    assert len(set(seconds.slept)) == 3
