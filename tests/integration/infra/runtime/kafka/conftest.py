"""A second broker a session, with logins and ACLs: what `topics ensure --acls` makes of it is what the tests find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.ops.cli.kafka_reader import kafka_client
from infra.ops.lag.reading import KafkaReader
from infra.ops.local.kafka import KafkaBroker, MissingTool, SuperUser
from infra.runtime.kafka.acls import SERVICES
from infra.runtime.kafka.topics import ensure_topics
from schemas.topics import Stage
from tests.conftest import missing_tool
from tests.integration.infra.runtime.kafka.guarded import GuardedKafka

STRANGER = "stranger"


@pytest.fixture(scope="session")
async def guarded(session_dir: Path) -> AsyncIterator[GuardedKafka]:
    """With the plan's ACLs for two prefixes, the second analyst apart, and a user for each principal and one stranger."""
    broker = KafkaBroker(session_dir / "guarded", super_user=SuperUser("super", "super-secret"))
    try:
        await broker.start()
    except MissingTool as error:
        missing_tool(error)
    kafka = GuardedKafka(broker.client)
    users = [*(f"ticketstream-{service}" for service in SERVICES), "anna", "bo", "no-group", "no-topic", STRANGER]
    await asyncio.to_thread(kafka.make_users, users)
    await ensure_topics(broker.client, prefix="new.", partitions=1, single_node=True)
    # Of a new Kafka, whose groups have no coordinator yet: that once ended the process that asked.
    async with KafkaReader(kafka_client(kafka.variables()), "new.") as reader:
        assert len((await reader.read()).offsets.stages) == len(Stage)
    yield kafka
    await broker.stop()
