"""A whole chain of a folder's own on the session's servers: its topics have a prefix, its database a name, and both are its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg

from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack import LocalStack, StackOptions, WantedPorts
from infra.ops.local.stack.services import service_groups
from infra.ops.local.stack.stack import Groups
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.postgres.pool import open_pool
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tap import NO_LOGIN, Tap

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

NOT_OURS = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL", "OPENROUTER_", "OTEL_", "SCHEMA_REGISTRY_")


def inherited() -> dict[str, str]:
    """This process's environment without what would lead a chain to another one's servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}


@dataclass(frozen=True, slots=True)
class Premises:
    """`name` is the database's; the topics' prefix is the same with a dot behind it."""

    name: str
    partitions: int

    @property
    def prefix(self) -> str:
        return f"{self.name}."

    def dsn(self, of_session: str) -> str:
        """On the own database instead of the session's."""
        return urlunsplit(urlsplit(of_session)._replace(path=f"/{self.name}"))

    async def make_database(self, postgres: MigratedDatabase) -> None:
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute(f"CREATE DATABASE {self.name}")
        await connection.close()

    async def make_topics(self, kafka: str) -> None:
        await ensure_topics(
            {"bootstrap.servers": kafka}, prefix=self.prefix, partitions=self.partitions, single_node=True
        )

    def environment(self, postgres: MigratedDatabase) -> dict[str, str]:
        """What its services inherit, but for Kafka."""
        dsns = {f"DATABASE_URL_{service.upper()}": self.dsn(own) for service, own in postgres.dsns.items()}
        own = {"DATABASE_URL": self.dsn(postgres.dsn), "TICKETSTREAM_TOPIC_PREFIX": self.prefix}
        return inherited() | dsns | own

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """For what it writes; it stays where it doesn't start."""
        path = Path(tempfile.mkdtemp(prefix=f"ts-{self.name}-"))
        yield path
        shutil.rmtree(path, ignore_errors=True)

    @asynccontextmanager
    async def running(
        self, folder: Path, environment: Mapping[str, str], *, groups: Groups = service_groups,
        login: Mapping[str, str] = NO_LOGIN, only_services: Mapping[str, str] | None = None,
    ) -> AsyncIterator[RunningChain]:  # fmt: skip
        """Everything runs and is ready. `login`: librdkafka's settings of who reads along; `only_services` are variables that
        commands don't get."""
        options = StackOptions(folder, WantedPorts.any_free(), environment={**environment, **(only_services or {})})
        async with LocalStack(options, groups=groups) as stack, aiohttp.ClientSession() as session:
            assert stack.endpoints.servicedesk
            pool = await open_pool(environment["DATABASE_URL_OPERATOR"], service="operator")
            tap = Tap(environment["KAFKA_BOOTSTRAP_SERVERS"], self.prefix, self.partitions, login)
            desks = SimulatorControl(stack.endpoints.servicedesk, session)
            yield RunningChain(stack, environment, session, pool, desks, tap)
            tap.close()
            await pool.close()
