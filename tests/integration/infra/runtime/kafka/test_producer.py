"""A producer that breaks for good is replaced; what it had is sent again by who waits for it, and nothing more is needed."""

from __future__ import annotations

import asyncio
import ctypes
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest

from infra.runtime.kafka import producer as producer_module
from infra.runtime.kafka.producer import Producer, PublishError, Record
from schemas.topics import Topic

RECORD = Record(Topic.TICKETS_RECEIVED.value, 0, b"t", b"value", [])
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
BEHIND_THE_OBJECTS_HEAD = object.__basicsize__


def break_for_good(producer: Producer) -> None:
    """librdkafka's own way for tests to raise a fatal error. The client's handle is the first field of the Python object."""
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (library,) = folder.glob("librdkafka-*.so*")  # loaded already: this only finds it
    raise_error = ctypes.CDLL(str(library)).rd_kafka_test_fatal_error
    raise_error.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    handle = ctypes.c_void_p.from_address(id(producer._producer) + BEHIND_THE_OBJECTS_HEAD)
    assert raise_error(handle, OUT_OF_ORDER_SEQUENCE_NUMBER, b"told to") == 0


@pytest.fixture
async def producer(topics: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(producer_module, "BETWEEN_PRODUCERS", 0.0)
    producer = Producer({"bootstrap.servers": topics}, delivery_timeout=10.0)
    await producer.send(RECORD)
    yield producer
    assert await producer.stop() == 0


async def test_after_a_fatal_error_the_next_record_is_sent_by_a_new_producer(producer: Producer) -> None:
    broken = producer._producer
    break_for_good(producer)
    await producer.send(RECORD)
    assert producer._producer is not broken


async def test_what_was_under_way_at_a_fatal_error_fails_at_once_and_can_be_sent_again(producer: Producer) -> None:
    under_way = [producer.send(RECORD) for _ in range(50)]
    break_for_good(producer)
    failed = 0
    for future in under_way:
        try:
            await asyncio.wait_for(future, 5)
        except PublishError:
            failed += 1
            await producer.send(RECORD)
    assert failed > 0


async def test_new_producers_are_not_made_without_end(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_module, "BETWEEN_PRODUCERS", 60.0)
    break_for_good(producer)
    with pytest.raises(PublishError, match="atal"):
        producer.send(RECORD)
    monkeypatch.setattr(producer_module, "BETWEEN_PRODUCERS", 0.0)
    await producer.send(RECORD)
