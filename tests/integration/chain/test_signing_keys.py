"""The edge's signing key changes under traffic: what either key signed is handled, and nothing is set aside."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id, send
from infra.ops.local.stack.secrets import LocalSecrets
from infra.runtime.keys.directory import KeyDirectory, KeyVerdict
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.tenant import connection
from schemas.envelope import parse
from schemas.signature import Signed, parse_signature
from schemas.topics import Topic
from sinks.postgres.service_keys import ServiceKeys
from tests.integration.chain.running_chain import PREFIX, RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tap import Seen
from tests.integration.chain.tenant import Tenant
from tests.integration.ingest.edge import RunningEdge, start

TICKETS = 12


@dataclass(frozen=True)
class Rotation:
    """Beside the chain's own edge, which signs with the old key, one that signs with the new."""

    old: SigningKey
    new: SigningKey
    edge: RunningEdge


def edge_environment(chain: RunningChain, key_file: Path) -> dict[str, str]:
    secrets = LocalSecrets(chain.stack.state_dir / "secrets")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "KAFKA_BOOTSTRAP_SERVERS": chain.kafka,
        "DATABASE_URL_INGEST": chain.environment["DATABASE_URL_INGEST"],
        "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
        "TICKETSTREAM_WEBHOOK_KEYS": secrets.key_ring("webhook_keys"),
        "TICKETSTREAM_LINK_KEYS": secrets.key_ring("link_keys"),
        "TICKETSTREAM_SIGNING_KEY_FILE": str(key_file),
        "TICKETSTREAM_INGEST_PORT": "0",
        "TICKETSTREAM_LOCAL": "1",
        "TICKETSTREAM_LOG_LEVEL": "ERROR",
    }


@pytest.fixture
async def rotation(chain: RunningChain, tmp_path: Path) -> AsyncIterator[Rotation]:
    own = LocalSecrets(chain.stack.state_dir / "secrets").signing_key_file("ingest")
    new, file = SigningKey.create("ingest"), tmp_path / "new.pem"
    new.save(file)
    await ServiceKeys(chain.pool).publish(new, not_before=datetime.now(UTC))  # its ten minutes are over
    edge = await start(edge_environment(chain, file), tmp_path / "ports.json")
    yield Rotation(SigningKey.load(own), new, edge)
    await edge.stop()


async def test_no_event_is_set_aside_while_the_edges_change_their_key(
    chain: RunningChain, shelf: TenantShelf, rotation: Rotation
) -> None:
    tenant = await shelf.take()
    tickets = [await tenant.ticket() for _ in range(TICKETS)]

    for number, ticket_id in enumerate(tickets):  # by turns, as while a rollout lasts
        edge = rotation.edge.public if number % 2 else chain.ingest
        assert await webhook(tenant, edge, ticket_id) == 202
    for ticket_id in tickets:
        await tenant.delivered(ticket_id, seconds=60)

    assert chain.tap.records(Topic.DEAD_LETTERS, tenant.partition) == []
    records = chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition)
    signers = {parse_signature(parse(record.headers)[1])[0] for record in records}
    assert signers == {rotation.old.key_id, rotation.new.key_id}
    directory = KeyDirectory(ServiceKeys(chain.pool).load)
    await directory.refresh()
    assert {verdict(directory, record) for record in records} == {KeyVerdict.VALID}


async def test_a_published_key_can_not_be_unpublished(chain: RunningChain, rotation: Rotation) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with connection(chain.pool) as connected:
            await connected.execute("DELETE FROM service_keys WHERE key_id = $1", rotation.new.key_id)


async def test_a_further_key_is_refused_by_its_service_before_every_reader_has_it(
    chain: RunningChain, tmp_path: Path
) -> None:
    file = tmp_path / "early.pem"
    made = await chain.command("key", "rotate", "ingest", "--out", str(file), "--reason", "TS-3")
    assert datetime.fromisoformat(made["not_before"]) > datetime.now(UTC)

    early = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ingest", env=edge_environment(chain, file), stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(early.communicate(), 30)

    assert early.returncode == 2
    assert b"may sign from" in said


async def webhook(tenant: Tenant, edge: str, ticket_id: str) -> int:
    body = json.dumps({"request": tenant.requests[ticket_id]}).encode()
    signed = headers(key_of(tenant.secret), new_webhook_id(), body)
    return (await send(tenant.chain.session, f"{edge}/api/v1/webhooks/{tenant.tenant_id}", body, signed)).status


def verdict(directory: KeyDirectory, record: Seen) -> KeyVerdict:
    envelope, header = parse(record.headers)
    key_id, signature = parse_signature(header)
    signed = Signed(
        topic=record.topic.named(PREFIX), partition=record.partition, key=record.key, id=envelope.id, type=envelope.type,
        tenant_id=envelope.tenant_id, subject=envelope.subject, time=envelope.time, value=record.value,
    )  # fmt: skip
    return directory.verify(key_id, record.topic, signed.message(), signature)
