"""A stack of its own for canaries, at log level DEBUG: topics under a prefix and a database of its own on the session's servers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
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
from tests.otlp_sink import OtlpSink

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

PREFIX, DATABASE, PARTITIONS = "canaries.", "canaries", 8
NOT_OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_", "OTEL_", "SCHEMA_REGISTRY_")


@dataclass(frozen=True, slots=True)
class Aviary:
    """`chosen` are secrets that a test may choose, by their variables; `session_dir` holds the servers' own logs."""

    chain: RunningChain
    model: ModelServer
    chosen: dict[str, str]
    session_dir: Path
    superuser: str
    collector: OtlpSink


def with_the_bug(site: Site) -> Sequence[Sequence[ServiceSpec]]:
    command = (sys.executable, "-m", "tests.integration.canaries.buggy_deliver")
    return [
        [replace(spec, command=command) if spec.name == Stage.DELIVER else spec for spec in group]
        for group in service_groups(site)
    ]


@pytest.fixture(scope="module")
async def aviary(kafka: str, postgres: MigratedDatabase, session_dir: Path) -> AsyncIterator[Aviary]:
    """Everything runs and is ready."""
    await _database(postgres.dsn)
    await ensure_topics({"bootstrap.servers": kafka}, prefix=PREFIX, partitions=PARTITIONS, single_node=True)
    folder = Path(tempfile.mkdtemp(prefix="ts-canaries-"))
    chosen = {
        "OPENROUTER_API_KEY": f"sk-or-canary-{token_hex(16)}",
        "KAFKA_SASL_PASSWORD": f"canary-sasl-{token_hex(16)}",
        "KAFKA_SSL_KEY_PASSWORD": f"canary-ssl-{token_hex(16)}",
    }
    async with ModelServer() as model, OtlpSink() as collector, aiohttp.ClientSession() as session:
        known = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        known |= {f"DATABASE_URL_{service.upper()}": _own(dsn) for service, dsn in postgres.dsns.items()}
        known |= chosen | {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "KAFKA_SASL_USERNAME": "somebody",
            "DATABASE_URL": _own(postgres.dsn),
            "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
            "TICKETSTREAM_LOG_LEVEL": "DEBUG",
            "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "3",
            "TICKETSTREAM_MODEL_API_BASE": model.base_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        started_by = known | {"TICKETSTREAM_OPERATOR_TOKEN": f"canary-operator-{token_hex(16)}"}
        options = StackOptions(folder, WantedPorts.any_free(), environment=started_by)
        async with LocalStack(options, groups=with_the_bug) as stack:
            assert stack.endpoints.servicedesk
            pool = await open_pool(known["DATABASE_URL_OPERATOR"], service="operator")
            tap, desks = Tap(kafka, PREFIX, PARTITIONS), SimulatorControl(stack.endpoints.servicedesk, session)
            chain = RunningChain(stack, known, session, pool, desks, tap)
            planted = chosen | {"TICKETSTREAM_OPERATOR_TOKEN": started_by["TICKETSTREAM_OPERATOR_TOKEN"]}
            yield Aviary(chain, model, planted, session_dir, _own(postgres.dsn), collector)
            tap.close()
            await pool.close()
    shutil.rmtree(folder, ignore_errors=True)


async def _database(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()


def _own(dsn: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))
