"""A cell for `bench lag`: Kafka and PostgreSQL of its own, tenants, and groups that commit as the stages' workers do."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from confluent_kafka import Producer

from infra.ops.local.kafka import KafkaBroker
from infra.ops.local.kafka.broker import JAVA_OPTIONS
from infra.ops.local.postgres import EmbeddedPostgres
from infra.ops.local.stack.database import DATABASE, prepare_database, service_dsns
from infra.ops.local.stack.secrets import LocalSecrets
from infra.runtime.kafka.topic_admin import TopicAdmin, TopicPlan
from schemas.topics import TOPIC_CONFIGS, Stage

RECORD_BYTES = 1400
WAITING = 8
FLUSH_SECONDS = 180.0


@dataclass(slots=True)
class Group:
    """A stage's group: where it is in each partition, and the client that commits for it."""

    stage: Stage
    client: AIOKafkaConsumer
    handled: dict[int, int]
    written: dict[int, int]
    dirty: set[int] = field(default_factory=set)

    def handle(self, partition: int) -> None:
        """One event more is done."""
        self.handled[partition] += 1
        self.dirty.add(partition)

    async def commit(self) -> None:
        """What changed since the last commit, as the stages' consumer does."""
        numbers, self.dirty = self.dirty, set()
        topic = self.stage.consumes.value
        said = {
            TopicPartition(topic, number): OffsetAndMetadata(self.handled[number], "ahead=0 running=1\0")
            for number in numbers
        }
        if said:
            await self.client.commit(said)


@dataclass(slots=True)
class Cell:
    broker: KafkaBroker
    groups: Mapping[Stage, Group]
    dsn: str
    folder: Path
    _producer: Producer

    def arrive(self, stage: Stage, partition: int) -> None:
        """One event more waits. Kafka has it after `arrived`."""
        self._producer.produce(stage.consumes.value, os.urandom(RECORD_BYTES), b"tenant", partition)
        self.groups[stage].written[partition] += 1

    async def arrived(self) -> None:
        if await asyncio.to_thread(self._producer.flush, FLUSH_SECONDS):
            raise RuntimeError("Kafka doesn't take records: the machine is too busy")

    def environment(self) -> dict[str, str]:
        """Of the lag service."""
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ},
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "DATABASE_URL_LAG": self.dsn,
            "TICKETSTREAM_LAG_PORT": "0",
            "TICKETSTREAM_PORTS_FILE": str(self.folder / "lag.ports.json"),
        }

    @asynccontextmanager
    async def lag_service(self) -> AsyncIterator[int]:
        """Runs it; its process id."""
        log = (self.folder / "lag.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.ops.lag", env=self.environment(), stdout=log, stderr=log
        )
        log.close()
        try:
            yield process.pid
        finally:
            process.terminate()
            await process.wait()


@asynccontextmanager
async def lag_cell(tell: Callable[[str], None], *, tenants: int, lagging: int) -> AsyncIterator[Cell]:
    """With `tenants` on a partition each, of which the first `lagging` have events waiting at every stage."""
    with tempfile.TemporaryDirectory(prefix="ticketstream-bench-") as name:
        folder = Path(name)
        broker = KafkaBroker(folder / "kafka", java_options=(*JAVA_OPTIONS, "-Xmx1536m"))
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            await broker.start()
            await postgres.start()
            tell(f"{tenants} tenants, Kafka with {len(Stage) * tenants} partitions")
            dsn = await _tenants(postgres, LocalSecrets(folder / "secrets"), tenants)
            await asyncio.to_thread(_topics, broker.client, tenants)
            async with _groups(broker, tenants) as groups:
                producer = Producer({**broker.client, "linger.ms": 0, "batch.num.messages": 1, "log_level": 0})
                cell = Cell(broker, groups, dsn, folder, producer)
                await _waiting(cell, lagging)
                yield cell
        finally:
            await postgres.stop()
            await broker.stop()


async def _tenants(postgres: EmbeddedPostgres, secrets: LocalSecrets, tenants: int) -> str:
    """Past the path that a tenant takes, as the superuser; the DSN of the lag service's role."""
    await postgres.ensure_database(DATABASE)
    dsn = postgres.dsn(database=DATABASE)
    await prepare_database(dsn, secrets, {})
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) "
            "SELECT 'bench-' || n, n, 'https://desk.example' FROM generate_series(0, $1::int - 1) n",
            tenants,
        )
    finally:
        await connection.close()
    return service_dsns(dsn, secrets, {})["lag"]


def _topics(client: Mapping[str, Any], partitions: int) -> None:
    consumed = {stage.consumes for stage in Stage}
    TopicAdmin(client).create(
        TopicPlan(config.topic.value, partitions, 1, config.settings(1))
        for config in TOPIC_CONFIGS
        if config.topic in consumed
    )


@asynccontextmanager
async def _groups(broker: KafkaBroker, tenants: int) -> AsyncIterator[dict[Stage, Group]]:
    """Each with a member that says who owns what, as the stages' workers do by joining."""
    groups: dict[Stage, Group] = {}
    try:
        for stage in Stage:
            client = AIOKafkaConsumer(
                stage.consumes.value, bootstrap_servers=broker.bootstrap_servers, group_id=stage.group(),
                enable_auto_commit=False, auto_offset_reset="latest", session_timeout_ms=30_000,
            )  # fmt: skip
            await client.start()
            while len(client.assignment()) < tenants:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0.1)
            client.pause(*client.assignment())
            numbers = range(tenants)
            groups[stage] = Group(stage, client, dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0), set(numbers))
            await groups[stage].commit()
        yield groups
    finally:
        for group in groups.values():
            await group.client.stop()


async def _waiting(cell: Cell, lagging: int) -> None:
    for stage in Stage:
        for _ in range(WAITING):
            for number in range(lagging):
                cell.arrive(stage, number)
            await cell.arrived()
