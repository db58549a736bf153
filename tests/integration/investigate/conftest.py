"""A chain whose stages break as they are told: topics under a prefix and a database of its own on the session's servers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest

from infra.ops.local.model_server import ModelServer
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack import LocalStack, StackOptions, WantedPorts
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.postgres.pool import open_pool
from schemas.topics import Stage
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tap import Tap
from tests.integration.investigate.world import PREFIX, World

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

DATABASE, PARTITIONS = "investigate", 64
NOT_OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_", "OTEL_", "SCHEMA_REGISTRY_")
BREAKABLE = frozenset({Stage.ENRICH.value, Stage.SYNTHESIZE.value, Stage.DELIVER.value})


def breaking(folder: Path, site: Site) -> Sequence[Sequence[ServiceSpec]]:
    def of(spec: ServiceSpec) -> ServiceSpec:
        if spec.name not in BREAKABLE:
            return spec
        command = (sys.executable, "-m", "tests.integration.investigate.breakable", spec.name)
        known = {**spec.environment, "BREAK_PLAN": str(folder / f"{spec.name}.plan")}
        return replace(spec, command=command, environment=known)

    return [[of(spec) for spec in group] for group in service_groups(site)]


@pytest.fixture(scope="module")
async def world(kafka: str, postgres: MigratedDatabase) -> AsyncIterator[World]:
    """Everything runs and is ready."""
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    await ensure_topics({"bootstrap.servers": kafka}, prefix=PREFIX, partitions=PARTITIONS, single_node=True)
    folder = Path(tempfile.mkdtemp(prefix="ts-investigate-"))
    async with ModelServer() as model, aiohttp.ClientSession() as session:
        known = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        known |= {f"DATABASE_URL_{service.upper()}": _own(dsn) for service, dsn in postgres.dsns.items()}
        known |= {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": _own(postgres.dsn),
            "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
            "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "86400",
            "TICKETSTREAM_GATHER_EDITS_SECONDS": "1",
            "OPENROUTER_API_KEY": "for-the-local-model",
            "TICKETSTREAM_MODEL_API_BASE": model.base_url,
        }
        options = StackOptions(folder, WantedPorts.any_free(), environment=known)
        async with LocalStack(options, groups=lambda site: breaking(folder, site)) as stack:
            assert stack.endpoints.servicedesk
            pool = await open_pool(known["DATABASE_URL_OPERATOR"], service="operator")
            tap, desks = Tap(kafka, PREFIX, PARTITIONS), SimulatorControl(stack.endpoints.servicedesk, session)
            yield World(RunningChain(stack, known, session, pool, desks, tap), model, folder)
            tap.close()
            await pool.close()
    shutil.rmtree(folder, ignore_errors=True)


def _own(dsn: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))
