"""`python -m ingest` as it runs: its own role at a real PostgreSQL, a real Kafka, a real signing key."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from confluent_kafka import Consumer, TopicPartition
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.ops.local.stack.database import OPERATOR
from infra.runtime.keys.feedback_links import FeedbackLink, make_link_token
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from ingest.verifier import raw_key, signature
from schemas.envelope import parse
from schemas.events import FeedbackSubmitted, TicketReceived
from schemas.ids import derive
from schemas.signature import Signed, parse_signature
from schemas.topics import Topic
from schemas.wire_format import Codec
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.tokens import ApiTokens, NewToken
from sinks.postgres.webhook_refusals import WebhookRefusals
from sinks.postgres.webhook_secrets import WebhookSecret, WebhookSecrets

TENANT = "edge-process"
WHO = "test"
BODY = json.dumps({"request": {"id": "52101", "subject": "VPN", "description": "<b>98&nbsp;%</b>"}}).encode()


@dataclass
class Site:
    """What the process was started with, and where it listens."""

    pool: Pool
    secrets: WebhookSecrets
    secret: str
    partition: int
    link_ring: KeyRing
    environment: dict[str, str]
    process: asyncio.subprocess.Process
    public: str
    internal: str
    kafka: str


async def start(environment: dict[str, str]) -> tuple[asyncio.subprocess.Process, dict[str, str]]:
    ports = Path(environment["TICKETSTREAM_PORTS_FILE"])
    ports.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", env=environment)
    async with asyncio.timeout(30):
        while not ports.exists():
            assert process.returncode is None
            await asyncio.sleep(0.05)
    return process, json.loads(ports.read_text())


@pytest.fixture(scope="module")
async def site(topics: str, postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("edge")
    pool = await open_pool(postgres.dsns[OPERATOR], service="operator", size=2)
    rings = {name: new_ring_key("k") for name in ("WEBHOOK", "CREDENTIAL", "LINK")}
    parsed = {name: KeyRing.parse(text, variable=name) for name, text in rings.items()}
    secrets = WebhookSecrets(pool, parsed["WEBHOOK"])
    settings, secret = await TenantStore(pool).create(
        NewTenant(TENANT, "https://desk.example", "key"),
        partitions=64,
        secrets=secrets,
        credentials=DeskCredentials(pool, parsed["CREDENTIAL"]),
        change=Change(WHO),
    )
    key = SigningKey.create("ingest")
    key.save(folder / "ingest.pem")
    await ServiceKeys(pool).publish(key)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "KAFKA_BOOTSTRAP_SERVERS": topics,
        "DATABASE_URL_INGEST": postgres.dsns["ingest"],
        "TICKETSTREAM_WEBHOOK_KEYS": rings["WEBHOOK"],
        "TICKETSTREAM_LINK_KEYS": rings["LINK"],
        "TICKETSTREAM_SIGNING_KEY_FILE": str(folder / "ingest.pem"),
        "TICKETSTREAM_PORTS_FILE": str(folder / "ports.json"),
        "TICKETSTREAM_INGEST_PORT": "0",
        "TICKETSTREAM_LOCAL": "1",
    }
    process, ports = await start(environment)
    running = Site(
        pool, secrets, secret.whsec, settings.partition, parsed["LINK"], environment, process, ports["public"],
        ports["internal"], topics,
    )  # fmt: skip
    await until_ready(running)
    yield running
    if running.process.returncode is None:
        running.process.kill()
        await running.process.wait()
    await pool.close()


async def until_ready(site: Site) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while True:
            async with session.get(f"{site.internal}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)


async def webhook(site: Site, webhook_id: str, secret: str, body: bytes = BODY) -> tuple[int, Any]:
    at = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": at,
        "webhook-signature": signature(raw_key(secret), webhook_id.encode(), at.encode(), body).decode(),
    }
    url = f"{site.public}/api/v1/webhooks/{TENANT}"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status, await answer.json()


def records(site: Site, topic: Topic, *event_ids: str) -> list[Any]:
    """The records with these event ids on the tenant's partition."""
    wanted: dict[bytes, Any] = {event_id.encode(): None for event_id in event_ids}
    consumer = Consumer({"bootstrap.servers": site.kafka, "group.id": "test-edge", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic.value, site.partition, 0)])
    try:
        deadline = time.monotonic() + 20
        while None in wanted.values() and time.monotonic() < deadline:
            message: Any = consumer.poll(0.5)
            if message is not None and not message.error():
                event_id = dict(message.headers())["ce_id"]
                if event_id in wanted:
                    wanted[event_id] = message
    finally:
        consumer.close()
    assert None not in wanted.values(), f"not on {topic}: {[i for i, found in wanted.items() if found is None]}"
    return list(wanted.values())


async def test_an_accepted_webhook_is_on_kafka_signed_by_a_published_key(site: Site) -> None:
    status, answer = await webhook(site, "msg_a", site.secret)
    assert (status, answer["status"]) == (202, "queued")
    (message,) = await asyncio.to_thread(records, site, Topic.TICKETS_RECEIVED, answer["event_id"])
    assert message.key() == TENANT.encode()
    event: TicketReceived = Codec().decode(message.value(), Topic.TICKETS_RECEIVED)
    assert (event.tenant_id, event.ticket_id, event.ticket.description) == (TENANT, "52101", "98 %")
    envelope, header = parse(message.headers())
    key_id, signed = parse_signature(header)
    covered = Signed(
        topic="tickets.received", partition=site.partition, key=message.key(), id=envelope.id, type=envelope.type,
        tenant_id=envelope.tenant_id, subject=envelope.subject, time=envelope.time, value=message.value(),
    )  # fmt: skip
    async with aiohttp.ClientSession() as session, session.get(f"{site.public}/keys") as keys:
        assert key_id in {key["key_id"] for key in (await keys.json())["keys"]}
    (known,) = [key for key in await ServiceKeys(site.pool).load() if key.key_id == key_id]
    Ed25519PublicKey.from_public_bytes(known.public_key).verify(signed, covered.message())


async def test_a_rotated_secret_is_followed_and_the_old_one_ends(site: Site) -> None:
    from datetime import timedelta

    fresh = (await site.secrets.rotate(TENANT, Change(WHO, "test"), both_valid=timedelta(seconds=4))).secret
    assert (await webhook(site, "msg_old", site.secret))[0] == 202
    await until(site, "msg_new", fresh.whsec, 202, seconds=5)
    await until(site, "msg_too_old", site.secret, 403, seconds=10)
    site.secret = fresh.whsec


async def until(site: Site, name: str, secret: str, status: int, *, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        number = 0
        while (await webhook(site, f"{name}_{number}", secret))[0] != status:
            number += 1
            await asyncio.sleep(0.1)


async def test_a_disabled_tenant_is_refused_within_5_seconds_and_enabled_again(site: Site) -> None:
    store = TenantStore(site.pool)
    await store.enable(TENANT, False, Change(WHO))
    await until(site, "msg_disabled", site.secret, 403, seconds=5)
    await store.enable(TENANT, True, Change(WHO))
    await until(site, "msg_enabled", site.secret, 202, seconds=5)


async def test_what_was_refused_can_be_looked_up_seconds_later(site: Site) -> None:
    assert (await webhook(site, "msg_wrong", WebhookSecret.generate().whsec))[0] == 403
    async with asyncio.timeout(10):
        while not (
            found := [row for row in await WebhookRefusals(site.pool).list(TENANT) if row.reason == "bad_signature"]
        ):
            await asyncio.sleep(0.1)
    assert (found[0].status, found[0].ticket_id, found[0].address) == (403, "52101", "127.0.0.1")


async def test_feedback_by_token_and_by_link_is_on_kafka(site: Site) -> None:
    from datetime import UTC, datetime

    new = NewToken(TENANT, ("feedback:write", "feedback:read"))
    token, token_id = await ApiTokens(site.pool).create(new, Change(WHO))
    bearer = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session:
        url = f"{site.public}/api/v1/feedback"
        async with session.post(url, json={"ticket_id": "52101", "rating": 4}, headers=bearer) as answer:
            assert answer.status == 202
            event_id = (await answer.json())["event_id"]
        (message,) = await asyncio.to_thread(records, site, Topic.FEEDBACK_SUBMITTED, event_id)
        event: FeedbackSubmitted = Codec().decode(message.value(), Topic.FEEDBACK_SUBMITTED)
        assert (event.ticket_id, event.rating) == ("52101", 4)
        async with session.get(url, headers=bearer) as answer:
            assert (answer.status, await answer.json()) == (200, {"feedback": [], "next_cursor": None})
        async with session.get(f"{url}/stats", headers=bearer) as answer:
            assert (await answer.json())["total"] == 0
        for other in (url, f"{url}/stats"):
            async with session.get(f"{other}?tenant_id=msp-other", headers=bearer) as answer:
                assert answer.status == 403
        async with session.post(
            url, json={"ticket_id": "1", "rating": 4, "tenant_id": "msp-other"}, headers=bearer
        ) as answer:
            assert answer.status == 403
        async with session.get(f"{site.internal}/metrics") as answer:
            counted = f'ticketstream_tokens_for_another_tenant_total{{tenant_id="{TENANT}"}} 3.0'
            assert counted in await answer.text()
        async with tenant_transaction(site.pool, TENANT) as connection:
            entries = await connection.fetch("SELECT who, subject FROM audit_log WHERE operation = 'refused'")
        routes = ("GET /api/v1/feedback", "GET /api/v1/feedback/stats", "POST /api/v1/feedback")
        assert [tuple(entry.values()) for entry in entries] == [
            (f"token {token_id}", f"{route} from 127.0.0.1") for route in routes
        ]
        await ApiTokens(site.pool).revoke(TENANT, token_id, Change(WHO))
        async with asyncio.timeout(5):
            while (await session.get(url, headers=bearer)).status != 401:
                await asyncio.sleep(0.2)
        about = FeedbackLink.to(
            tenant_id=TENANT, enhancement_id=derive("note"), ticket_id="52101", now=datetime.now(UTC)
        )
        page = f"{site.public}/f/{make_link_token(site.link_ring, about)}"
        async with session.post(page, data={"thumb": "up"}) as answer:
            assert answer.status == 200


async def test_sigterm_finishes_what_is_under_way_and_exits_within_15_seconds(site: Site) -> None:
    sending = [asyncio.create_task(webhook(site, f"msg_last_{number}", site.secret)) for number in range(20)]
    assert (await sending[0])[0] == 202
    site.process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    code = await asyncio.wait_for(site.process.wait(), 15)
    assert code == 0
    assert time.monotonic() - started < 15
    answers = await asyncio.gather(*sending, return_exceptions=True)
    (token,) = await ApiTokens(site.pool).list(TENANT)
    assert token.last_used_at is not None, "the last uses are written before it goes"
    accepted = [answer[1]["event_id"] for answer in answers if not isinstance(answer, BaseException)]
    await asyncio.to_thread(records, site, Topic.TICKETS_RECEIVED, *accepted)


async def test_without_postgresql_it_starts_and_says_503_not_403(site: Site) -> None:
    environment = site.environment | {"DATABASE_URL_INGEST": "postgresql://nobody@127.0.0.1:1/none"}
    process, ports = await start(environment)
    try:
        site.public = ports["public"]
        assert (await webhook(site, "msg_early", site.secret))[0] == 503
        async with aiohttp.ClientSession() as session:
            assert (await session.get(f"{ports['internal']}/readyz")).status == 503
            assert (await session.get(f"{ports['internal']}/livez")).status == 200
            assert (await session.get(f"{ports['internal']}/registry/subjects")).status == 200
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TICKETSTREAM_WEBHOOK_KEYS", "k1:c2hvcnQ=", "TICKETSTREAM_WEBHOOK_KEYS: key 'k1' is 5 bytes, expected 32"),
        ("TICKETSTREAM_LINK_KEYS", "", "TICKETSTREAM_LINK_KEYS: is not set"),
        ("DATABASE_URL_INGEST", "", "DATABASE_URL_INGEST: is not set"),
        ("TICKETSTREAM_SIGNING_KEY_FILE", "/nowhere", "TICKETSTREAM_SIGNING_KEY_FILE: there is no file"),
    ],
)
async def test_a_wrong_setting_is_named_and_exits_2(site: Site, variable: str, value: str, said: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingest", env=site.environment | {variable: value}, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert said in errors.decode()
    assert "c2hvcnQ" not in errors.decode()
