"""The edge when others fail it or want too much of it: real processes, a real Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import pytest

from infra.ops.bench.figures import resident_megabytes
from infra.ops.local.kafka import KafkaBroker
from infra.ops.local.stack.database import OPERATOR
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import open_pool
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.integration.ingest.edge import Answer, Passage, RunningEdge, Sender, on_kafka, start

GROWTH_MEGABYTES = 60
ANSWER_SECONDS = 20.0
"""A publication is given up after 5 s; the rest is for a busy machine."""
LIMITED = {"webhook_rate_per_second": 2, "webhook_burst": 3}
FREE = {"webhook_rate_per_second": 1000, "webhook_burst": 10_000}


@dataclass
class World:
    """What edges are started with, and the tenants that they know: with the default rate, a low one, and a high one."""

    environment: dict[str, str]
    folder: Path
    kafka: str
    database: Passage
    usual: Sender
    limited: Sender
    free: Sender
    started: int = 0

    async def edge(self) -> RunningEdge:
        self.started += 1
        return await start(self.environment, self.folder / f"ports-{self.started}.json")


@pytest.fixture(scope="module")
async def world(topics: str, postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("pressure")
    postgres = await postgres_server.migrated("pressure")  # tenants of all other tests would leave it no partition
    pool = await open_pool(postgres.dsns[OPERATOR], service="operator", size=2)
    rings = {name: new_ring_key("k") for name in ("WEBHOOK", "CREDENTIAL", "LINK")}
    secrets = WebhookSecrets(pool, KeyRing.parse(rings["WEBHOOK"], variable="webhook"))
    credentials = DeskCredentials(pool, KeyRing.parse(rings["CREDENTIAL"], variable="credential"))
    senders = []
    for name, limits in (("usual", {}), ("limited", LIMITED), ("free", FREE)):
        unique = f"pressure-{name}-{uuid4().hex[:6]}"  # set up twice where tests that run alone come last
        new = NewTenant(unique, "https://desk.example", "key", settings=limits)
        made, secret = await TenantStore(pool).create(
            new, partitions=64, secrets=secrets, credentials=credentials, change=Change("test")
        )
        senders.append(Sender(made.tenant_id, secret.whsec, made.partition))
    key = SigningKey.create("ingest")
    key.save(folder / "ingest.pem")
    await ServiceKeys(pool).publish(key)
    await pool.close()
    dsn = urlsplit(postgres.dsns["ingest"])
    passage = Passage(Path(parse_qs(dsn.query)["host"][0]) / ".s.PGSQL.5432")
    await passage.open()
    through = dsn._replace(netloc=f"{dsn.netloc}127.0.0.1:{passage.here}", query="")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "KAFKA_BOOTSTRAP_SERVERS": topics,
        "DATABASE_URL_INGEST": urlunsplit(through),
        "TICKETSTREAM_WEBHOOK_KEYS": rings["WEBHOOK"],
        "TICKETSTREAM_LINK_KEYS": rings["LINK"],
        "TICKETSTREAM_SIGNING_KEY_FILE": str(folder / "ingest.pem"),
        "TICKETSTREAM_INGEST_PORT": "0",
        "TICKETSTREAM_LOCAL": "1",
        "TICKETSTREAM_LOG_LEVEL": "ERROR",
    }
    usual, limited, free = senders
    yield World(environment, folder, topics, passage, usual, limited, free)
    await passage.close()


@pytest.fixture
async def edge(world: World) -> AsyncIterator[RunningEdge]:
    running = await world.edge()
    yield running
    await running.stop()


async def test_the_same_webhook_at_the_same_instant_to_two_edges_is_one_event_id(
    world: World, edge: RunningEdge
) -> None:
    other = await world.edge()
    asked = [one.webhook(world.free, "msg_same") for one in (edge, edge, edge, other, other, other)]
    answers = await asyncio.gather(*asked)
    await other.stop()

    assert {answer.status for answer in answers} <= {200, 202}
    (event_id,) = {answer.event_id for answer in answers}
    copies = (await asyncio.to_thread(on_kafka, world.kafka, world.free)).count(event_id)
    assert copies == 2, "one of each edge; enrich knows the second for a copy by its id"


async def test_a_tenant_above_its_rate_waits_alone(world: World, edge: RunningEdge) -> None:
    """By the default, 20 a second and 100 at once, and by its own."""
    started = time.monotonic()
    flood = [edge.webhook(world.usual, f"msg_usual_{number}") for number in range(300)]
    few = [edge.webhook(world.limited, f"msg_limited_{number}") for number in range(20)]
    others = [edge.webhook(world.free, f"msg_free_{number}") for number in range(50)]
    answers = await asyncio.gather(*flood, *few, *others)
    took = time.monotonic() - started

    usual, limited, free = answers[:300], answers[300:320], answers[320:]
    assert {answer.status for answer in free} == {202}
    for wanted, burst, rate in ((usual, 100, 20), (limited, 3, 2)):
        counts = Counter(answer.status for answer in wanted)
        assert set(counts) == {202, 429}
        assert burst <= counts[202] <= burst + rate * took + 1
        assert all(int(answer.retry_after or 0) >= 1 for answer in wanted if answer.status == 429)


async def test_while_postgresql_is_away_known_tenants_go_on_and_nobody_is_turned_away_for_good(
    world: World, edge: RunningEdge
) -> None:
    stranger = Sender("pressure-stranger", world.free.secret, 0)
    assert (await edge.webhook(stranger, "msg_0")).status == 403
    await world.database.close()
    try:
        number, answers = 0, list[Answer]()
        async with asyncio.timeout(45):  # the view is old after 30 s
            while (answer := await edge.webhook(stranger, f"msg_{number}")).status == 403:
                answers.append(await edge.webhook(world.free, f"msg_away_{number}"))
                number += 1
                await asyncio.sleep(0.5)
        answers.append(await edge.webhook(world.free, "msg_away_long"))
        assert (answer.status, bool(answer.retry_after)) == (503, True)
        assert {answer.status for answer in answers} == {202}
        assert await edge.ready()
    finally:
        await world.database.open()
    async with asyncio.timeout(20):
        while (await edge.webhook(stranger, "msg_back")).status != 403:
            await asyncio.sleep(0.2)


async def test_stopping_in_a_flood_loses_nothing_that_was_accepted(world: World, edge: RunningEdge) -> None:
    accepted: list[str] = []

    async def sends(name: int) -> None:
        for number in range(10_000):
            try:
                answer = await edge.webhook(world.free, f"msg_flood_{name}_{number}")
            except (aiohttp.ClientError, OSError):
                return  # no answer: not accepted, the sender would send it again
            if answer.status == 202:
                accepted.append(answer.event_id)

    flood = [asyncio.create_task(sends(name)) for name in range(16)]
    async with asyncio.timeout(20):
        while len(accepted) < 300:
            await asyncio.sleep(0.01)
    edge.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(edge.process.wait(), 15) == 0
    await asyncio.wait_for(asyncio.gather(*flood), 10)

    written = set(await asyncio.to_thread(on_kafka, world.kafka, world.free))
    assert set(accepted) <= written


@pytest.mark.alone
async def test_without_kafka_it_says_503_in_time_stays_small_and_is_back_by_itself(
    world: World, edge: RunningEdge, kafka_broker: KafkaBroker
) -> None:
    assert (await edge.webhook(world.free, "msg_before")).status == 202
    body = b'{"ticket_id":"1","subject":"VPN","description":"' + b"x" * 15_000 + b'"}'
    before = resident_megabytes(edge.process.pid)
    kafka_broker.kill()
    try:
        for turn in range(2):
            asked = [edge.webhook(world.free, f"msg_down_{turn}_{number}", body) for number in range(500)]
            answers = await asyncio.gather(*asked)
            assert {(answer.status, bool(answer.retry_after)) for answer in answers} == {(503, True)}
            assert max(answer.seconds for answer in answers) < ANSWER_SECONDS
        assert resident_megabytes(edge.process.pid) - before < GROWTH_MEGABYTES
        assert await edge.ready()
    finally:
        await kafka_broker.start()
    async with asyncio.timeout(90):
        while (await edge.webhook(world.free, "msg_after")).status != 202:
            await asyncio.sleep(0.2)
    assert edge.process.returncode is None
