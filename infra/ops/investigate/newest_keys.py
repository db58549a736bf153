"""Which partition is a tenant's, for when PostgreSQL can't say: the one whose newest event has the tenant's key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition

from infra.ops.investigate.lane_reader import LaneReader
from infra.ops.investigate.partition_reader import away
from schemas.topics import Topic

SECONDS = 1.0


def partition_by_keys(reader: LaneReader, client_config: Mapping[str, Any], prefix: str, tenant_id: str) -> int | None:
    """None where no partition shows it within a second: a tenant that never had a ticket, or whose records are all gone. Blocking.
    Raises KafkaAway."""
    ends = {number: end for number, end in reader.ends(Topic.TICKETS_RECEIVED).items() if end > 0}
    if not ends:
        return None
    name, wanted, deadline = Topic.TICKETS_RECEIVED.named(prefix), tenant_id.encode(), time.monotonic() + SECONDS
    own = {"group.id": f"ticketstream-onlooker-{uuid4()}", "enable.auto.commit": False, "fetch.wait.max.ms": 50}
    try:
        with closing(Consumer({**client_config, **own, "auto.offset.reset": "latest", "log_level": 0})) as consumer:
            consumer.assign([TopicPartition(name, number, end - 1) for number, end in ends.items()])
            waiting = set(ends)
            while waiting and time.monotonic() < deadline:
                for message in consumer.consume(len(waiting), 0.1):
                    if message.error() is None:
                        waiting.discard(message.partition() or 0)
                        if message.key() == wanted:
                            return message.partition()
    except KafkaException as error:
        raise away(error) from error
    return None
