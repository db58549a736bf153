"""Thousands of hostile requests against the edge as it runs: it answers as documented, publishes nothing, and lives on."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition
from hypothesis import HealthCheck, given, settings

from infra.ops.local.stack.database import OPERATOR
from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import open_pool
from ingest.ticket_body import parse_ticket
from schemas.events import TicketReceived
from schemas.topics import Topic
from schemas.wire_format import Codec
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.tokens import ApiTokens, NewToken
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.integration.ingest.edge import RunningEdge, Sender, start
from tests.integration.ingest.hostile import FAMILIES, GOOD_BODY, MARK, Signer, World
from tests.integration.ingest.hostile_wire import Sent, answer_is_documented, send

PREFIX = "hostile."
PARTITIONS = 4
MOST_GROWTH = 80 * 1024 * 1024


@dataclass(slots=True)
class Target:
    """An edge with topics and a database of its own, so that all that it writes is there to be counted."""

    edge: RunningEdge
    kafka: str
    world: World
    sender: Sender
    log: Path
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def port(self) -> int:
        port = urlsplit(self.edge.public).port
        assert port
        return port

    def attack(self, sent: Sent) -> None:
        came = send(self.port, sent)
        answer_is_documented(came, sent)
        self.statuses.update(["sent", *map(str, came.statuses)])

    def events(self) -> int:
        """Records on all topics."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "test-hostile"})
        try:
            places = [TopicPartition(topic.named(PREFIX), n) for topic in Topic for n in range(PARTITIONS)]
            return sum(consumer.get_watermark_offsets(place, timeout=20, cached=False)[1] for place in places)
        finally:
            consumer.close()

    def newest(self) -> bytes:
        """The value of the sender's last ticket on Kafka."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "test-hostile"})
        try:
            place = TopicPartition(Topic.TICKETS_RECEIVED.named(PREFIX), self.sender.partition)
            end = consumer.get_watermark_offsets(place, timeout=20, cached=False)[1]
            consumer.assign([TopicPartition(place.topic, place.partition, end - 1)])
            message: Any = consumer.poll(20)
            assert message is not None and not message.error()
            return bytes(message.value())
        finally:
            consumer.close()


@pytest.fixture(scope="module")
async def target(kafka: str, postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Target]:
    await ensure_topics({"bootstrap.servers": kafka}, prefix=PREFIX, partitions=PARTITIONS, single_node=True)
    postgres, folder = await postgres_server.migrated("hostile"), tmp_path_factory.mktemp("hostile")
    pool = await open_pool(postgres.dsns[OPERATOR], service="operator", size=2)
    rings = {name: new_ring_key("k") for name in ("WEBHOOK", "CREDENTIAL", "LINK")}
    parsed = {name: KeyRing.parse(text, variable=name) for name, text in rings.items()}
    senders = []
    for tenant_id in ("hostile-one", "hostile-two"):
        made, secret = await TenantStore(pool).create(
            NewTenant(tenant_id, "https://desk.example", "key"),
            partitions=PARTITIONS,
            secrets=WebhookSecrets(pool, parsed["WEBHOOK"]),
            credentials=DeskCredentials(pool, parsed["CREDENTIAL"]),
            change=Change("test"),
        )
        senders.append(Sender(tenant_id, secret.whsec, made.partition))
    token, _ = await ApiTokens(pool).create(
        NewToken("hostile-one", ("feedback:write", "feedback:read")), Change("test")
    )
    key = SigningKey.create("ingest")
    key.save(folder / "ingest.pem")
    await ServiceKeys(pool).publish(key)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL_INGEST": postgres.dsns["ingest"],
        "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
        "TICKETSTREAM_WEBHOOK_KEYS": rings["WEBHOOK"],
        "TICKETSTREAM_LINK_KEYS": rings["LINK"],
        "TICKETSTREAM_SIGNING_KEY_FILE": str(folder / "ingest.pem"),
        "TICKETSTREAM_INGEST_PORT": "0",
        "TICKETSTREAM_LOCAL": "1",
    }
    log = folder / "edge.log"
    edge = await start(environment, folder / "ports.json", log)
    one, other = (Signer(sender.tenant_id, sender.secret) for sender in senders)
    yield Target(edge, kafka, World(one, other, token), senders[0], log)
    await edge.stop()
    await pool.close()


@pytest.mark.timeout(600)
async def test_no_hostile_request_is_published_or_harms_the_edge(target: Target) -> None:
    published = await asyncio.to_thread(target.events)
    good = await target.edge.webhook(target.sender, "good-before")
    assert good.status == 202
    process = psutil.Process(target.edge.process.pid)
    before = process.memory_info().rss

    for family in FAMILIES:
        hostile = family.requests(target.world)

        @settings(
            derandomize=True,
            deadline=None,
            database=None,
            max_examples=family.examples,
            suppress_health_check=list(HealthCheck),
        )
        @given(hostile)
        def attacked(sent: Sent) -> None:
            target.attack(sent)

        try:
            await asyncio.to_thread(attacked)
        except BaseException as error:
            error.add_note(f"of the family {family.name}")
            raise

    assert target.statuses["sent"] >= 3000
    assert {"400", "403", "404", "405", "413", "415", "422", "401"} <= set(target.statuses), target.statuses
    assert (await target.edge.webhook(target.sender, "good-after")).status == 202
    assert target.edge.process.returncode is None
    assert process.memory_info().rss - before < MOST_GROWTH
    assert await asyncio.to_thread(target.events) == published + 2
    log = target.log.read_text()
    assert "Traceback" not in log and '"level":"error"' not in log, [
        line for line in log.splitlines() if "error" in line
    ][:5]


async def test_a_client_library_is_refused_alike(target: Target) -> None:
    """aiohttp's client writes what it takes for right: unicode and control characters go another way to the wire."""
    before = await asyncio.to_thread(target.events)
    for tenant in (
        "../hostile-one",
        "hostile-one/",
        "hostile\u202e-one",
        "hоstile-one",
        MARK,
        "x" * 3000,
        "%00",
        "' OR 1=1--",
    ):
        for path in (f"/api/v1/webhooks/{tenant}", f"/f/{tenant}", f"/api/v1/feedback?tenant_id={tenant}"):
            signed = {name.decode(): value.decode() for name, value in target.world.other.headers(b"client", GOOD_BODY)}
            headers = {"Content-Type": "application/json", **signed}
            async with target.edge.session.post(target.edge.public + path, data=GOOD_BODY, headers=headers) as answer:
                body = await answer.text()
                assert 400 <= answer.status < 500, (path, answer.status)
                assert MARK not in body or answer.content_type != "text/html"
    assert await asyncio.to_thread(target.events) == before


TRICKS = (
    "'; DROP TABLE tickets; --", "' OR '1'='1", "a & b | !c <-> d:*", "%_\\", "{{7*7}}", "${jndi:ldap://x}", "\u202eacme\u202c",
    "аcme", "\U0010ffff\u200b\ufeff", "﷽" * 50, "\x1b[31m", '"}],"x":"', "a\u0301" * 40, "=cmd|' /C calc'!A0",
)  # fmt: skip


@pytest.mark.parametrize("text", TRICKS)
async def test_a_rightly_signed_ticket_of_tricks_comes_through_unharmed(target: Target, text: str) -> None:
    fields = ("subject", "description", "site", "end_customer", "category", "priority", "status", "resolution")
    said = {"ticket_id": "7", "requester_name": text, **dict.fromkeys(fields, text)}
    body = json.dumps(said).encode()

    answer = await target.edge.webhook(target.sender, f"tricks-{TRICKS.index(text)}", body)

    assert answer.status == 202
    event: TicketReceived = Codec().decode(await asyncio.to_thread(target.newest), Topic.TICKETS_RECEIVED)
    assert event.event_id == answer.event_id and event.tenant_id == target.sender.tenant_id
    assert event.ticket == parse_ticket(body).ticket  # what that keeps of a text is told elsewhere, for every text
    assert (event.ticket.ticket_id, event.ticket.subject) == ("7", " ".join(text.split()))
    assert event.ticket.requester and event.ticket.requester.name
