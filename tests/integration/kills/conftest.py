"""One killable chain for the tests of this folder: topics under a prefix and a database of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest

from infra.ops.local.model_server import ModelServer
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack import LocalStack, StackOptions, WantedPorts
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.postgres.pool import open_pool
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tap import Tap
from tests.integration.kills.town import PARTITIONS, PREFIX, Groups, Town

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

DATABASE = "kills"
NOT_OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_", "OTEL_", "SCHEMA_REGISTRY_")


def own_database(dsn: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))


@pytest.fixture(scope="session")
async def town(kafka: str, postgres: MigratedDatabase) -> AsyncIterator[Town]:
    """Everything runs and is ready."""
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    await ensure_topics({"bootstrap.servers": kafka}, prefix=PREFIX, partitions=PARTITIONS, single_node=True)
    folder = Path(tempfile.mkdtemp(prefix="ts-kills-"))
    async with ModelServer() as model, aiohttp.ClientSession() as session:
        known = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        known |= {f"DATABASE_URL_{service.upper()}": own_database(own) for service, own in postgres.dsns.items()}
        known |= {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": own_database(postgres.dsn),
            "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
            "OPENROUTER_API_KEY": "for-the-local-model",
            "TICKETSTREAM_MODEL_API_BASE": model.base_url,
        }
        groups = Groups(folder)
        groups.short.touch()
        async with LocalStack(StackOptions(folder, WantedPorts.any_free(), environment=known), groups=groups) as stack:
            assert stack.endpoints.servicedesk
            pool = await open_pool(known["DATABASE_URL_OPERATOR"], service="operator")
            tap, desks = Tap(kafka, PREFIX, PARTITIONS), SimulatorControl(stack.endpoints.servicedesk, session)
            town = Town(RunningChain(stack, known, session, pool, desks, tap), model, groups)
            yield town
            for extra in town.extras:
                if extra.process.returncode is None:
                    extra.process.kill()
                    await extra.process.wait()
            tap.close()
            await pool.close()
    shutil.rmtree(folder, ignore_errors=True)
