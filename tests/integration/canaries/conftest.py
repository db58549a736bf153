"""A stack of its own for canaries, at log level DEBUG: a Kafka to which everybody logs in with a password of their own, and a
database of its own on the session's server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from infra.ops.local.kafka import KafkaBroker, MissingTool, SuperUser
from infra.ops.local.model_server import ModelServer
from infra.ops.local.stack.service import ServiceSpec
from infra.ops.local.stack.services import Site, service_groups
from infra.runtime.kafka.acls import PRINCIPAL_PREFIX, SERVICES
from schemas.topics import Stage
from tests.conftest import missing_tool
from tests.integration.chain.running_chain import RunningChain
from tests.integration.infra.runtime.kafka.guarded import GuardedKafka
from tests.integration.own_chain import Premises
from tests.otlp_sink import OtlpSink

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

PREMISES = Premises("canaries", 8)
BUGGY = (Stage.ENRICH.value, Stage.DELIVER.value)


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
    ran = await kafka.ensure(PREMISES.prefix, "--partitions", str(PREMISES.partitions), "--acls")
    assert ran.code == 0, ran.err
    yield kafka
    await broker.stop()


@pytest.fixture(scope="module")
async def aviary(
    kafka_with_logins: GuardedKafka, postgres: MigratedDatabase, session_dir: Path
) -> AsyncIterator[Aviary]:
    """Everything runs and is ready."""
    kafka = kafka_with_logins
    await PREMISES.make_database(postgres)
    chosen = {
        "OPENROUTER_API_KEY": f"sk-or-canary-{token_hex(16)}",
        "KAFKA_SSL_KEY_PASSWORD": f"canary-ssl-{token_hex(16)}",
    }
    async with PREMISES.folder() as folder, ModelServer() as model, OtlpSink() as collector:
        known = PREMISES.environment(postgres) | chosen | kafka.variables(f"{PRINCIPAL_PREFIX}operator")
        known |= {
            "TICKETSTREAM_LOG_LEVEL": "DEBUG",
            "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "3",
            "TICKETSTREAM_MODEL_API_BASE": model.base_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        token = {"TICKETSTREAM_OPERATOR_TOKEN": f"canary-operator-{token_hex(16)}"}
        groups = partial(with_the_bug, kafka)
        running = PREMISES.running(folder, known, groups=groups, login=kafka.client, only_services=token)
        async with running as chain:
            planted = chosen | token
            planted |= {f"Kafka password of {user}": password for user, password in kafka.passwords.items()}
            yield Aviary(chain, kafka, model, planted, session_dir, PREMISES.dsn(postgres.dsn), collector)
