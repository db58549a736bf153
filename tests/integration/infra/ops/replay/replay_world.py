"""Topics, a database and keys of their own, without any stage: what a replay finds, and what it leaves behind."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from confluent_kafka import Consumer, TopicPartition

from infra.ops.cli.main import run
from infra.ops.replay.spans import KafkaSpans
from infra.runtime.clock import SystemClock
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from infra.runtime.stream.record import RawRecord
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.topics import SIGNED_BY, Stage, Topic
from schemas.wire_format import Codec
from sinks.postgres.migrate import migrate
from sinks.postgres.service_keys import ServiceKeys
from tests.integration.operator_token import operator_token

PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
PARTITIONS = 32
DATABASE = "replay"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def value(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True, slots=True)
class Owner:
    tenant_id: str
    partition: int


@dataclass
class ReplayWorld:
    kafka: str
    prefix: str
    pool: Pool
    environment: dict[str, str]
    keys: dict[str, SigningKey]
    database: str
    _tenants: int = 0
    _producer: Producer | None = None
    _publishers: dict[str, Publisher] = field(default_factory=dict)

    @classmethod
    async def make(cls, kafka: str, dsns: dict[str, str], superuser: str, folder: Path) -> ReplayWorld:
        connection = await asyncpg.connect(superuser)
        await connection.execute(f"CREATE DATABASE {DATABASE}")
        await connection.close()
        await migrate(_on(superuser), {})
        prefix = f"replay-{uuid4().hex[:6]}."
        await ensure_topics({"bootstrap.servers": kafka}, prefix=prefix, partitions=PARTITIONS, single_node=True)
        operator = _on(dsns["operator"])
        pool = await open_pool(operator, service="operator", size=4)
        keys = {service: SigningKey.create(service) for service in SIGNED_BY}
        for service, key in keys.items():
            key.save(folder / f"{service}.pem")
            await ServiceKeys(pool).publish(key, not_before=LONG_AGO)
        own = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL_OPERATOR": operator,
            "TICKETSTREAM_TOPIC_PREFIX": prefix,
            "TICKETSTREAM_STATE_DIR": str(folder / "no-stack"),
            "TICKETSTREAM_OPERATOR_TOKEN": await operator_token(operator, "Test Operator"),
            "TICKETSTREAM_REPLAY_SIGNING_KEY_FILE": str(folder / "replay.pem"),
        }
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        return cls(kafka, prefix, pool, {**kept, **own}, keys, _on(superuser))

    async def close(self) -> None:
        if self._producer:
            await self._producer.stop()
        await self.pool.close()

    async def tenant(self, *, enabled: bool = True) -> Owner:
        """A fresh one, with a partition of its own."""
        owner = Owner(f"msp-{uuid4().hex[:8]}", self._tenants)
        self._tenants += 1
        connection = await asyncpg.connect(self.database)
        await connection.execute(
            """INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url, enabled)
               VALUES ($1, $2, 'https://desk.example', $3)""",
            owner.tenant_id, owner.partition, enabled,
        )  # fmt: skip
        await connection.close()
        return owner

    async def publish(self, event: Any, topic: Topic, partition: int, *, service: str = "", trace: str = "") -> None:
        """Signed by the service that writes the topic, or by another."""
        service = service or next(name for name, topics in SIGNED_BY.items() if topic in topics)
        if self._producer is None:
            self._producer = Producer({"bootstrap.servers": self.kafka})
        if service not in self._publishers:
            self._publishers[service] = Publisher(self._producer, self.keys[service], prefix=self.prefix)
        await self._publishers[service].publish(event, topic=topic, partition=partition, traceparent=trace or None)

    async def receive(self, owner: Owner, count: int, **ticket: Any) -> list[TicketReceived]:
        """So many tickets come in, one after the other."""
        events = [received(owner.tenant_id, **ticket) for _ in range(count)]
        await asyncio.gather(*(self.publish(event, Topic.TICKETS_RECEIVED, owner.partition) for event in events))
        return events

    async def records(self, topic: Topic, partition: int) -> list[RawRecord]:
        spans = KafkaSpans({"bootstrap.servers": self.kafka}, prefix=self.prefix)
        try:
            span, found = await spans.all(topic, partition), list[RawRecord]()
            at = span.first
            while at < span.end:
                batch = await spans.read(span, at)
                at = batch.next_offset
                found += batch.records
            return found
        finally:
            spans.close()

    async def events(self, topic: Topic, partition: int) -> list[Any]:
        return [Codec().decode(record.value or b"", topic) for record in await self.records(topic, partition)]

    async def replayed(self, owner: Owner) -> list[TicketReceived]:
        found = await self.events(Topic.TICKETS_RECEIVED, owner.partition)
        return [event for event in found if event.replay_of]

    async def work_off(self, stage: Stage, owner: Owner) -> None:
        """As if the stage had handled all that its group finds in the tenant's partition."""
        await asyncio.to_thread(self._commit, stage, owner.partition)

    async def command(self, *words: str, token: str | None = None) -> Ran:
        """In a thread of this process: starting Python takes longer than most commands. By an engineer, or whose token it is."""
        own = {"TICKETSTREAM_OPERATOR_TOKEN": token} if token else {}
        ran = await asyncio.to_thread(self._run, words, {**self.environment, **own})
        assert "Traceback" not in ran.err, ran.err
        return ran

    def _run(self, words: tuple[str, ...], environment: dict[str, str]) -> Ran:
        written = io.BytesIO()
        with (
            patch.dict(os.environ, environment, clear=True),
            redirect_stdout(io.StringIO()) as out,
            redirect_stderr(io.TextIOWrapper(written, "utf-8", write_through=True)),  # logs are written as bytes
        ):
            code = run(words)
            return Ran(code, out.getvalue(), written.getvalue().decode())

    async def begin(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self.environment,
        )  # fmt: skip

    async def rows(self, owner: Owner, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with tenant_transaction(self.pool, owner.tenant_id) as connection:
            return await connection.fetch(query, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> None:
        """As the superuser."""
        connection = await asyncpg.connect(self.database)
        await connection.execute(statement, *arguments)
        await connection.close()

    async def audit(self, owner: Owner) -> list[tuple[str, str, str]]:
        rows = await self.rows(owner, "SELECT operation, who, reason FROM audit_log ORDER BY audit_id")
        return [(row["operation"], row["who"], row["reason"]) for row in rows]

    def _commit(self, stage: Stage, partition: int) -> None:
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": stage.group(self.prefix), "log_level": 0})
        place = TopicPartition(stage.consumes.named(self.prefix), partition)
        _, end = consumer.get_watermark_offsets(place, timeout=10, cached=False)
        place.offset = end
        consumer.commit(offsets=[place], asynchronous=False)
        consumer.close()


def received(
    tenant_id: str, *, ticket_id: str | None = None, text: str = "It is away.", **fields: Any
) -> TicketReceived:
    ticket = Ticket(ticket_id or f"T-{uuid4().hex[:8]}", "No network", text, status=fields.pop("status", "Open"))
    return TicketReceived(str(uuid4()), tenant_id, TicketKind.CREATED, ticket, SystemClock().now(), **fields)


async def a_moment() -> datetime:
    """One between what the broker wrote before and what it writes after: at least a millisecond passes on either side."""
    for _ in range(2):
        at, now = datetime.now(UTC), time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 <= now + 1:
            await asyncio.sleep(0.001)
    return at


def rfc(at: datetime) -> str:
    return at.isoformat()


def ids_of(events: Sequence[Any]) -> set[str]:
    return {event.event_id for event in events}


def _on(dsn: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))
