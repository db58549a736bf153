"""How far enrich is, asked of a real Kafka without joining the group."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from confluent_kafka import Consumer, Producer, TopicPartition

from infra.ops.reconcile.backlog import EnrichBacklog
from infra.runtime.kafka.topics import ensure_topics
from schemas.topics import Stage, Topic

PARTITION, OTHER = 1, 0


async def test_enrich_is_up_to_date_when_its_group_committed_all_that_is_there(kafka: str) -> None:
    prefix, config = f"b{uuid4().hex[:6]}.", {"bootstrap.servers": kafka}
    await ensure_topics(config, prefix=prefix, partitions=2, single_node=True)
    topic, backlog = Topic.TICKETS_RECEIVED.named(prefix), EnrichBacklog(config, prefix, wait_seconds=0.2)
    async with asyncio.timeout(30):  # a fresh broker makes its topic of offsets when it is first asked
        while not await backlog.handled(PARTITION):
            await asyncio.sleep(0.1)

    producer = Producer(config)
    producer.produce(topic, b"event", partition=PARTITION)
    assert await asyncio.to_thread(producer.flush, 10) == 0
    assert not await backlog.handled(PARTITION)
    assert await backlog.handled(OTHER), "another tenant's backlog is its own"

    group = Consumer({**config, "group.id": Stage.ENRICH.group(prefix), "enable.auto.commit": False})
    await asyncio.to_thread(group.commit, offsets=[TopicPartition(topic, PARTITION, 1)], asynchronous=False)
    assert await backlog.handled(PARTITION)
    group.close()
    await asyncio.to_thread(backlog.close)


async def test_while_kafka_is_away_nobody_knows() -> None:
    backlog = EnrichBacklog({"bootstrap.servers": "127.0.0.1:1"}, wait_seconds=0.2)
    assert not await backlog.handled(PARTITION)
    await asyncio.to_thread(backlog.close)
