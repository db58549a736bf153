"""A stack of its own for canaries, at log level DEBUG: a Kafka to which everybody logs in with a password of their own, and a
database of its own on the session's server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest

from infra.ops.local.kafka import KafkaBroker, MissingTool, SuperUser
from infra.ops.local.model_server import ModelServer
from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack import LocalStack, StackOptions, WantedPorts
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from infra.runtime.kafka.acls import PRINCIPAL_PREFIX, SERVICES
from infra.runtime.postgres.pool import open_pool
from schemas.topics import Stage
from tests.conftest import missing_tool
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tap import Tap
from tests.integration.infra.runtime.kafka.guarded import GuardedKafka
from tests.otlp_sink import OtlpSink

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

PREFIX, DATABASE, PARTITIONS = "canaries.", "canaries", 8
BUGGY = (Stage.ENRICH.value, Stage.DELIVER.value)
NOT_OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_", "OTEL_", "SCHEMA_REGISTRY_")


@dataclass(frozen=True, slots=True)
class Aviary:
    """`chosen` are secrets that a test may choose, by what they are; `session_dir` holds the servers' own logs."""

    chain: RunningChain
    kafka: GuardedKafka
    model: ModelServer
    chosen: dict[str, str]
    session_dir: Path
    superuser: str
    collector: OtlpSink

    def login(self, service: str) -> dict[str, str]:
        """The variables of a process that logs in to Kafka as this service."""
        return self.kafka.variables(f"{PRINCIPAL_PREFIX}{service}")


def with_the_bug(kafka: GuardedKafka, site: Site) -> Sequence[Sequence[ServiceSpec]]:
    """The bug is in the stages that call desks; each service logs in to Kafka as itself."""
    return [[_changed(spec, kafka) for spec in group] for group in service_groups(site)]


def _changed(spec: ServiceSpec, kafka: GuardedKafka) -> ServiceSpec:
    command = (sys.executable, "-m", "tests.integration.canaries.buggy_stage", spec.name)
    login = kafka.variables(f"{PRINCIPAL_PREFIX}{spec.name}") if spec.name in SERVICES else {}
    return replace(
        spec, command=command if spec.name in BUGGY else spec.command, environment={**spec.environment, **login}
    )


@pytest.fixture(scope="module")
async def kafka_with_logins(session_dir: Path) -> AsyncIterator[GuardedKafka]:
    """Each service's principal has a password that can be recognised, and may do what the plan says."""
    broker = KafkaBroker(session_dir / "canaries-kafka", super_user=SuperUser("super", "super-secret"))
    try:
        await broker.start()
    except MissingTool as error:
        missing_tool(error)
    users = [f"{PRINCIPAL_PREFIX}{service}" for service in SERVICES]
    kafka = GuardedKafka(broker.client, {user: f"canary-sasl-{token_hex(16)}" for user in users})
    await asyncio.to_thread(kafka.make_users, users)
    ran = await kafka.ensure(PREFIX, "--partitions", str(PARTITIONS), "--acls")
    assert ran.code == 0, ran.err
    yield kafka
    await broker.stop()


@pytest.fixture(scope="module")
async def aviary(
    kafka_with_logins: GuardedKafka, postgres: MigratedDatabase, session_dir: Path
) -> AsyncIterator[Aviary]:
    """Everything runs and is ready."""
    kafka = kafka_with_logins
    await _database(postgres.dsn)
    folder = Path(tempfile.mkdtemp(prefix="ts-canaries-"))
    chosen = {
        "OPENROUTER_API_KEY": f"sk-or-canary-{token_hex(16)}",
        "KAFKA_SSL_KEY_PASSWORD": f"canary-ssl-{token_hex(16)}",
    }
    async with ModelServer() as model, OtlpSink() as collector, aiohttp.ClientSession() as session:
        known = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        known |= {f"DATABASE_URL_{service.upper()}": _own(dsn) for service, dsn in postgres.dsns.items()}
        known |= chosen | kafka.variables(f"{PRINCIPAL_PREFIX}operator")
        known |= {
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
        async with LocalStack(options, groups=partial(with_the_bug, kafka)) as stack:
            assert stack.endpoints.servicedesk
            pool = await open_pool(known["DATABASE_URL_OPERATOR"], service="operator")
            tap = Tap(kafka.client["bootstrap.servers"], PREFIX, PARTITIONS, kafka.client)
            desks = SimulatorControl(stack.endpoints.servicedesk, session)
            chain = RunningChain(stack, known, session, pool, desks, tap)
            planted = chosen | {"TICKETSTREAM_OPERATOR_TOKEN": started_by["TICKETSTREAM_OPERATOR_TOKEN"]}
            planted |= {f"Kafka password of {user}": password for user, password in kafka.passwords.items()}
            yield Aviary(chain, kafka, model, planted, session_dir, _own(postgres.dsn), collector)
            tap.close()
            await pool.close()
    shutil.rmtree(folder, ignore_errors=True)


async def _database(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()


def _own(dsn: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))
