"""A desk that is away: its tenant waits, over a change of the lane's owner too, and drains gently; nobody else notices."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.stream.breaker import LaneBreaker
from schemas.topics import Stage, Topic
from schemas.wire_format import Codec
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.lane_holds import LaneHolds
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.integration.infra.runtime.stream.desk_stage import AWAY
from tests.integration.infra.runtime.stream.stage_world import StageWorld, until

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

STAGE, HELD, OTHER, WAITING, CAP = Stage.ENRICH.value, 0, 1, 12, 5


@pytest.fixture
async def pool(postgres: MigratedDatabase) -> AsyncIterator[Pool]:
    """A stage's, to look at what the workers keep. Makes the tenant, for its rows to be of somebody."""
    operator, ring = (
        await open_pool(postgres.dsns["operator"], service="operator", size=2),
        KeyRing.parse(new_ring_key("test"), variable="TEST"),
    )
    await TenantStore(operator).create(
        NewTenant(AWAY, "https://desk.example", "key"), partitions=100_000, change=Change("test"),
        secrets=WebhookSecrets(operator, ring), credentials=DeskCredentials(operator, ring),
    )  # fmt: skip
    await operator.close()
    pool = await open_pool(postgres.dsns[STAGE], service=STAGE, size=2)
    yield pool
    await pool.close()


@pytest.fixture
async def world(
    kafka: str, postgres: MigratedDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StageWorld]:
    monkeypatch.setenv("DATABASE_URL_ENRICH", postgres.dsns[STAGE])
    module = "tests.integration.infra.runtime.stream.desk_stage"
    async with StageWorld(kafka, "held-lane-", tmp_path, module=module) as world:
        yield world


async def all_out(world: StageWorld, fed: list[str]) -> None:
    async def found() -> bool:
        records = await world.seen(Topic.TICKETS_ENRICHED)
        out = [Codec().decode(record.value or b"", Topic.TICKETS_ENRICHED).input_id for record in records]
        assert len(out) == len(set(out)), "an event came out twice"
        return set(fed) <= set(out)

    await until(found, f"{len(fed)} events out")


async def test_a_desk_that_is_away_holds_its_tenant_over_a_change_of_owner_and_nobody_else(
    world: StageWorld, pool: Pool
) -> None:
    holds = LaneHolds(pool)

    async def failures(least: int) -> LaneBreaker:
        async def seen() -> LaneBreaker | None:
            found = await holds.breaker(AWAY, STAGE)
            return found if found and found.failures >= least else None

        found: LaneBreaker = await until(seen, f"{least} failures in a row")
        return found

    first = await world.start().ready()
    held = await world.feed(HELD, ["desk"] * WAITING, "held")
    others = await world.feed(OTHER, ["echo"] * WAITING, "other")
    await all_out(world, others)
    await failures(3)
    tried = len(tries(world, first.pid, held))
    assert tried <= CAP + (await failures(3)).failures  # what ran when the desk went, then one at a time

    os.kill(first.pid, signal.SIGKILL)
    await first.ended(5)
    before = (await failures(3)).failures
    second = await world.start().ready()
    assert (
        await failures(before + 1)
    ).failures == before + 1  # it goes on where the first was, not at the shortest wait
    assert len(set(tries(world, second.pid, held))) == 1  # one event tries for all

    (world.folder / "desk").touch()
    await all_out(world, held)
    ours = [(event_id, what) for pid, event_id, what in world.calls() if pid == second.pid and event_id in held]
    probe = next(place for place, (_, what) in enumerate(ours) if what == "finished")
    assert ours[probe - 1] == (ours[probe][0], "started")  # no other began before it was done
    assert second.process.poll() is None

    async def forgotten() -> bool:
        return await holds.breaker(AWAY, STAGE) is None and not await holds.load(AWAY, STAGE)

    await until(forgotten, "no row is left")


def tries(world: StageWorld, pid: int, events: list[str]) -> list[str]:
    return [event_id for by, event_id, what in world.calls() if by == pid and what == "started" and event_id in events]
