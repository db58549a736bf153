"""What is kept of holds and breakers: one contract, on the fake and on PostgreSQL under a stage's own role."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection
from infra.runtime.stream.breaker import BreakerState, LaneBreaker
from infra.runtime.stream.fakes import MemoryHolds
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.ports import HeldEvent, HoldStore
from infra.runtime.stream.record import Position
from sinks.postgres.lane_holds import LaneHolds
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenants import Change, TenantStore
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOPIC, STAGE = "enhancements.synthesized", "deliver"
_numbers = count(1)


@pytest.fixture(params=["fake", "postgres"])
async def store(request: pytest.FixtureRequest, pool_of: PoolOf) -> HoldStore:
    return MemoryHolds() if request.param == "fake" else LaneHolds(await pool_of(STAGE))


def held(tenant: str, offset: int = 0, **changes: object) -> HeldEvent:
    until = NOW + timedelta(seconds=30)
    row = HeldEvent(
        tenant, STAGE, TOPIC, 3, offset, f"ticket-{offset}", f"e{next(_numbers)}", Scope.LANE, "desk_unavailable", "503",
        until, NOW, 2,
    )  # fmt: skip
    return replace(row, **changes)  # type: ignore[arg-type]


async def offsets(store: HoldStore, tenant: str, stage: str = STAGE) -> list[int]:
    return sorted(one.offset for one in await store.load(tenant, stage))


@pytest.mark.parametrize("scope", Scope)
async def test_a_hold_reads_as_it_was_saved_until_it_is_cleared(store: HoldStore, tenant: str, scope: Scope) -> None:
    one = held(tenant, scope=scope)
    await store.save(one)
    assert await store.load(tenant, STAGE) == [one]
    later = replace(one, until=NOW + timedelta(minutes=5), attempts=3)
    await store.save(later)
    assert await store.load(tenant, STAGE) == [later]
    await store.clear(later)
    assert await store.load(tenant, STAGE) == []


async def test_a_sweep_takes_what_stands_before_what_is_committed(
    store: HoldStore, make_tenant: MakeTenant, tenant: str
) -> None:
    other = await make_tenant()
    for offset in (0, 4, 5, 9):
        await store.save(held(tenant, offset))
    await store.save(held(tenant, 1, topic="other.topic"))
    await store.save(held(tenant, 2, partition=4))
    await store.save(held(tenant, 3, stage="enrich"))
    await store.save(held(other, 0, partition=5))
    await store.sweep(tenant, STAGE, Position(TOPIC, 3, 5))
    assert await offsets(store, tenant) == [1, 2, 5, 9]
    assert (await offsets(store, tenant, "enrich"), await offsets(store, other)) == ([3], [0])


async def test_a_breaker_reads_as_it_was_saved_and_has_no_row_when_closed(store: HoldStore, tenant: str) -> None:
    assert await store.breaker(tenant, STAGE) is None
    for state, failures in ((BreakerState.OPEN, 1), (BreakerState.HALF_OPEN, 6)):
        breaker = LaneBreaker(tenant, STAGE, state, failures, NOW)
        await store.save_breaker(breaker)
        assert await store.breaker(tenant, STAGE) == breaker
    assert await store.breaker(tenant, "enrich") is None
    for _ in range(2):
        await store.save_breaker(LaneBreaker(tenant, STAGE, BreakerState.CLOSED, 0, None))
        assert await store.breaker(tenant, STAGE) is None


async def test_an_unproven_tenant_has_nothing(store: HoldStore) -> None:
    await store.sweep("", STAGE, Position(TOPIC, 3, 5))
    assert (list(await store.load("", STAGE)), await store.breaker("", STAGE)) == ([], None)


async def test_every_change_of_a_tenant_shows_as_one(operator: Pool, tenant: str, pool_of: PoolOf) -> None:
    """Also one to what it was: it says that somebody wants it tried again."""
    from infra.runtime.keys.rings import KeyRing, new_ring_key
    from sinks.postgres.credentials import DeskCredentials

    tenants, change, seen = TenantStore(operator), Change("test"), set[datetime | None]()
    credentials = DeskCredentials(operator, KeyRing.parse(new_ring_key("test"), variable="TEST"))

    async def look() -> None:
        found = {one.tenant_id: one.changed_at for one in await load_tenants(await pool_of(STAGE))}
        seen.add(found[tenant])

    await look()
    await tenants.enable(tenant, True, change)
    await look()
    await tenants.set(tenant, {"servicedesk_base_url": "https://desk.example"}, change)
    await look()
    await tenants.replace_credential(tenant, "new", credentials, change)
    await look()
    assert len(seen) == 4 and None not in seen


async def test_held_lanes_are_shown_whole_to_those_who_watch(tenant: str, pool_of: PoolOf) -> None:
    store = LaneHolds(await pool_of(STAGE))
    await store.save(held(tenant, 1, scope=Scope.TICKET, reason="note_uncertain", until=NOW + timedelta(hours=1)))
    async with connection(await pool_of("lag")) as watching:
        assert not await watching.fetchval("SELECT closed FROM held_lanes() WHERE tenant_id = $1", tenant)
    await store.save(held(tenant, 2, attempts=7))
    await store.save_breaker(LaneBreaker(tenant, STAGE, BreakerState.OPEN, 7, NOW))
    async with connection(await pool_of("lag")) as watching:
        rows = await watching.fetch("SELECT * FROM held_lanes() WHERE tenant_id = $1", tenant)
    ((_, stage, partition, events, reason, until, _, attempts, breaker, _, closed),) = rows
    assert closed
    assert (stage, partition, events, reason, attempts, breaker) == (STAGE, 3, 2, "desk_unavailable", 7, "open")
    assert until == NOW + timedelta(hours=1)
