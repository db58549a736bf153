"""What becomes of a record that nobody acknowledges. The rest is tested on a real Kafka."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, TIMESTAMP_NOT_AVAILABLE
from prometheus_client import REGISTRY

from infra.runtime.kafka import producer as producer_module
from infra.runtime.kafka.producer import Producer, PublishError, Record

RECORD = Record("tickets.received", 0, b"msp-acme-corp", b"value", [])
NOWHERE = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


class Acknowledged(NamedTuple):
    """What the client library hands over with a record; without an offset where Kafka acknowledged a later one alone."""

    at: int | None
    written: tuple[int, int] = (TIMESTAMP_NOT_AVAILABLE, 0)

    def partition(self) -> int:
        return 0

    def offset(self) -> int | None:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return self.written


class Silent:
    """A client library that says nothing of what it was given."""

    def produce(self, *_: Any, **__: Any) -> None: ...

    def poll(self, _: float) -> int:
        return 0

    def purge(self) -> None: ...


async def test_without_a_broker_who_waits_hears_of_it_in_time() -> None:
    producer = Producer(NOWHERE, delivery_timeout=0.2)
    with pytest.raises(PublishError):
        await producer.send(RECORD)
    assert await producer.stop(0.0) == 0


async def test_who_waits_is_not_left_waiting_when_the_library_says_nothing() -> None:
    producer = Producer(NOWHERE, delivery_timeout=0.1)
    producer._producer = Silent()  # type: ignore[assignment]
    with pytest.raises(PublishError, match="in time"):
        await producer.send(RECORD)
    assert await producer.stop(0.0) == 0


async def test_a_full_queue_is_an_error_at_once() -> None:
    producer = Producer(NOWHERE | {"queue.buffering.max.kbytes": 1}, delivery_timeout=0.5)
    large = RECORD._replace(value=b"x" * 1000)
    first = producer.send(large)
    with pytest.raises(PublishError, match="not keeping up"):
        producer.send(large)
    with pytest.raises(PublishError):
        await first


async def test_a_silent_library_is_replaced_by_one_that_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producer_module, "BETWEEN_PRODUCERS", 0.0)
    producer = Producer(NOWHERE, delivery_timeout=0.1)
    producer._producer = Silent()  # type: ignore[assignment]
    with pytest.raises(PublishError, match="in time"):
        await producer.send(RECORD)
    assert not isinstance(producer._producer, Silent)


async def test_silence_is_counted_over_producers_and_ends_with_the_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(NOWHERE, delivery_timeout=0.1)
    monkeypatch.setattr(producer, "_new", Silent)
    monkeypatch.setattr(producer_module, "BETWEEN_PRODUCERS", 0.0)
    producer._producer = Silent()  # type: ignore[assignment]
    for _ in range(2):
        with pytest.raises(PublishError):
            await producer.send(RECORD)
    assert producer.silent_seconds() > 2.0
    future = producer.send(RECORD)
    producer._delivered(future, RECORD.topic, None, Acknowledged(7))
    assert producer.silent_seconds() == 0.0
    assert await producer.stop(0.0) == 0


async def test_a_record_of_which_kafka_names_no_offset_may_be_in_no_log() -> None:
    written: list[int] = []
    producer = Producer(NOWHERE, on_written=lambda _topic, _partition, offset: written.append(offset))
    producer._producer = Silent()  # type: ignore[assignment]
    first, later = producer.send(RECORD), producer.send(RECORD)
    producer._delivered(first, RECORD.topic, None, Acknowledged(None))
    producer._delivered(later, RECORD.topic, None, Acknowledged(0))
    with pytest.raises(PublishError, match="not this one"):
        await first
    await later
    assert written == [0]


async def test_the_brokers_time_of_a_record_shows_how_far_the_clocks_are_apart() -> None:
    producer = Producer(NOWHERE)
    sent = asyncio.get_running_loop().time()
    ahead = round(1000 * (time.time() + 7))
    for written in (Acknowledged(1, (TIMESTAMP_LOG_APPEND_TIME, ahead)), Acknowledged(2)):
        future = asyncio.get_running_loop().create_future()
        producer._under_way[future] = sent
        producer._delivered(future, "some.topic", None, written)
        await future
    skew = REGISTRY.get_sample_value("ticketstream_clock_skew_seconds", {"reference": "broker"})
    await producer.stop(0)
    assert skew is not None
    assert -8 < skew < -6, "ours is 7 s behind"
