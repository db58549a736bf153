"""One whole chain for this folder, ended with its last test, every service a process of its own; tests keep apart by tenant.

Kafka and PostgreSQL are the session's; the chain has topics under a prefix and a database of its own. Its environment has a key for
an outside model from the start: tenants that did not agree to one never use it, and one test says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from infra.ops.local.model_server import ModelServer
from infra.ops.local.servicedesk_simulator import DeskFault
from tests.integration.chain.finished import Finished, finish
from tests.integration.chain.running_chain import PREFIX, RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import Tenant
from tests.integration.own_chain import Premises
from tests.otlp_sink import OtlpSink

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

PREMISES = Premises(PREFIX.removesuffix("."), 160)
MODEL_KEY = "for-the-local-model"


@pytest.fixture(scope="package")
async def model_server() -> AsyncIterator[ModelServer]:
    """What stands in for the outside model."""
    async with ModelServer() as server:
        yield server


@pytest.fixture(scope="package")
async def collector() -> AsyncIterator[OtlpSink]:
    """Where the chain's traces go."""
    async with OtlpSink() as sink:
        yield sink


@pytest.fixture(scope="package")
async def chain_environment(
    kafka: str, postgres: MigratedDatabase, model_server: ModelServer, collector: OtlpSink
) -> dict[str, str]:
    """The variables of a stack on the session's servers."""
    await PREMISES.make_database(postgres)
    await PREMISES.make_topics(kafka)
    return PREMISES.environment(postgres) | {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "86400",  # tests make tickets of which no webhook tells
        "TICKETSTREAM_RECONCILE_GRACE_SECONDS": "0",
        "OPENROUTER_API_KEY": MODEL_KEY,
        "TICKETSTREAM_MODEL_API_BASE": model_server.base_url,
        "TICKETSTREAM_GATHER_EDITS_SECONDS": "2",
        "TICKETSTREAM_ISOLATION_PROBE_SECONDS": "2",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2",  # seconds for which a batch is offered again
    }  # fmt: skip


@pytest.fixture(scope="package")
async def chain(chain_environment: dict[str, str]) -> AsyncIterator[RunningChain]:
    """Everything runs and is ready."""
    async with PREMISES.folder() as folder, PREMISES.running(folder, chain_environment) as running:
        yield running


@pytest.fixture(scope="package")
async def shelf(chain: RunningChain) -> TenantShelf:
    return TenantShelf(chain)


@pytest.fixture
async def tenant(shelf: TenantShelf) -> Tenant:
    """A fresh tenant with a desk on premises."""
    return await shelf.take()


@pytest.fixture
async def other_tenant(shelf: TenantShelf) -> Tenant:
    return await shelf.take()


@pytest.fixture(scope="package")
async def uncertain(shelf: TenantShelf) -> tuple[Tenant, str]:
    """A tenant whose desk wrote a note and then answered 500. What comes of it is seen half a minute later, so it begins early."""
    tenant = await shelf.take()
    await tenant.faulty(DeskFault(kind="error", operation="add_note", when="after", status=500, calls=1))
    return tenant, await tenant.told()


@pytest.fixture(scope="package")
async def finished(shelf: TenantShelf) -> Finished:
    """Nobody adds to it."""
    return await finish(await shelf.take())


@pytest.fixture(autouse=True)
def begun_early(uncertain: tuple[Tenant, str]) -> None:
    """With the first test of the chain."""
