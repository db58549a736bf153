"""The session's PostgreSQL, by each service's own role, and tenants made as operators make them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING

import asyncpg
import pytest

from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.roles import LOGINS, RawConnection
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

MANY_PARTITIONS = 100_000
_numbers = count(1)

SERVICES = [login.removeprefix("ticketstream_") for login in LOGINS]
"""Those with a login role of their own."""

PoolOf = Callable[[str], Awaitable[Pool]]
MakeTenant = Callable[[], Awaitable[str]]


@pytest.fixture(scope="session")
def rings() -> KeyRing:
    return KeyRing.parse(new_ring_key("test"), variable="TEST")


@pytest.fixture(scope="session")
async def pool_of(postgres: MigratedDatabase) -> AsyncIterator[PoolOf]:
    """A pool by service, opened when first asked for."""
    opened: dict[str, Pool] = {}
    async with AsyncExitStack() as stack:

        async def open_for(service: str) -> Pool:
            if service not in opened:
                opened[service] = await open_pool(postgres.dsns[service], service=service, size=4)
                stack.push_async_callback(opened[service].close)
            return opened[service]

        yield open_for


@pytest.fixture(scope="session")
async def operator(pool_of: PoolOf) -> Pool:
    return await pool_of("operator")


@pytest.fixture(scope="session")
def make_tenant(operator: Pool, rings: KeyRing) -> MakeTenant:
    """A tenant with a name of its own, which it returns."""

    async def make() -> str:
        tenant_id = f"store-{next(_numbers)}"
        await TenantStore(operator).create(
            NewTenant(tenant_id, "https://desk.example", f"key of {tenant_id}"),
            partitions=MANY_PARTITIONS,
            secrets=WebhookSecrets(operator, rings),
            credentials=DeskCredentials(operator, rings),
            change=Change("test", "a test needs it"),
        )
        return tenant_id

    return make


@pytest.fixture
async def tenant(make_tenant: MakeTenant) -> str:
    return await make_tenant()


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    """Each role in turn."""
    return str(request.param)


@pytest.fixture
async def connected(service: str, postgres: MigratedDatabase) -> AsyncIterator[RawConnection]:
    """One connection as the role, in a transaction that ends in nothing."""
    opened = await asyncpg.connect(postgres.dsns[service])
    await opened.execute("BEGIN")
    yield opened
    await opened.close()
