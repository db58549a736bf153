"""One world a session, with its own topics and database; tests keep apart by tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from tests.integration.infra.ops.replay.replay_world import Owner, ReplayWorld


class Database(Protocol):
    dsn: str
    dsns: dict[str, str]


@pytest.fixture(scope="session")
async def world(kafka: str, postgres: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ReplayWorld]:
    made = await ReplayWorld.make(kafka, postgres.dsns, postgres.dsn, tmp_path_factory.mktemp("replay"))
    yield made
    await made.close()


@pytest.fixture
async def owner(world: ReplayWorld) -> Owner:
    return await world.tenant()
