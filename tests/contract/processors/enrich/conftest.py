"""The session's PostgreSQL, reached as enrich reaches it: by its own role, under row-level security."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING

import pytest

from infra.runtime.postgres.pool import Pool, open_pool

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

NewTenant = Callable[[], Awaitable[str]]

_numbers = count(50_001)  # partitions that no topic has, so that no other test's tenant meets them


@pytest.fixture(scope="session")
async def superuser(postgres: MigratedDatabase) -> AsyncIterator[Pool]:
    """Sees every row: for making what enrich finds."""
    async with await open_pool(postgres.dsn, service="superuser", size=2) as pool:
        yield pool


@pytest.fixture(scope="session")
async def pool(postgres: MigratedDatabase) -> AsyncIterator[Pool]:
    opened = await open_pool(postgres.dsns["enrich"], service="enrich", size=4)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def new_tenant(superuser: Pool) -> NewTenant:
    """Makes a tenant with a name of its own, which it returns."""

    async def create() -> str:
        number = next(_numbers)
        await superuser.execute(
            "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, $3)",
            f"enrich-{number}",
            number,
            "https://desk.example",
        )
        return f"enrich-{number}"

    return create
