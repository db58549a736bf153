"""One partition number is emptied in every topic, and the others are left alone."""

from __future__ import annotations

import asyncio

from confluent_kafka import Producer

from infra.runtime.kafka.partition_records import PartitionRecords
from schemas.topics import Topic

EMPTIED, KEPT = 61, 62


async def test_a_partition_is_emptied_in_every_topic_and_its_neighbour_is_not(topics: str) -> None:
    producer = Producer({"bootstrap.servers": topics})
    for topic in Topic:
        for partition in (EMPTIED, KEPT):
            producer.produce(topic.value, b"text", partition=partition)
    assert await asyncio.to_thread(producer.flush, 20) == 0
    records = PartitionRecords({"bootstrap.servers": topics}, "")
    neighbour = await asyncio.to_thread(records.extents, KEPT)
    before = await asyncio.to_thread(records.extents, EMPTIED)
    assert all(first < end for first, end in before.values()) and before.keys() == {topic.value for topic in Topic}

    for _ in range(2):  # nothing is left to delete the second time
        await asyncio.to_thread(records.delete, EMPTIED)

    after = await asyncio.to_thread(records.extents, EMPTIED)
    assert after == {topic: (end, end) for topic, (_, end) in before.items()}
    assert await asyncio.to_thread(records.extents, KEPT) == neighbour
