"""Reading a stretch of a partition on a real Kafka: by offset, by time, and searches that end in time and say how far they came."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from infra.ops.investigate.lane_reader import LaneReader
from infra.ops.investigate.newest_keys import partition_by_keys
from infra.ops.investigate.partition_reader import FIRST_STEP, KafkaAway, PartitionReader, Stretch, about_ticket
from infra.ops.local.free_ports import free_ports
from infra.runtime.kafka.topics import ensure_topics
from schemas.topics import Stage, Topic

PREFIX, PARTITION, RECORDS = "reading.", 1, 3 * FIRST_STEP
OURS = (10, RECORDS // 2, RECORDS - 10)
TOPIC, TICKET, TENANT = Topic.TICKETS_RECEIVED, "T-1", "msp-one"


@pytest.fixture(scope="module")
async def config(kafka: str) -> dict[str, str]:
    """With records in one partition, some of them about our ticket."""
    config = {"bootstrap.servers": kafka}
    await ensure_topics(config, prefix=PREFIX, partitions=3, single_node=True)
    producer = Producer(config | {"log_level": 0})
    for number in range(RECORDS):
        ticket = TICKET if number in OURS else f"other-{number}"
        headers: list[tuple[str, str | bytes | None]] = [("ce_subject", ticket), ("ce_id", str(number))]
        producer.produce(TOPIC.named(PREFIX), b"value", TENANT, PARTITION, headers=headers)
        producer.poll(0)
    assert producer.flush(30) == 0
    return config


@pytest.fixture
def reader(config: dict[str, str]) -> Iterator[PartitionReader]:
    with PartitionReader(config, PREFIX, PARTITION) as opened:
        yield opened


def soon() -> float:
    return time.monotonic() + 20


def test_a_record_is_read_by_its_offset(reader: PartitionReader) -> None:
    found = reader.at(TOPIC, OURS[1], soon())
    assert found is not None and found.position.offset == OURS[1]
    assert reader.at(TOPIC, RECORDS + 5, time.monotonic() + 0.5) is None


def test_a_ticket_is_found_from_the_beginning_on(reader: PartitionReader) -> None:
    search = reader.forward(TOPIC, reader.extent(TOPIC), about_ticket(TICKET), soon())
    assert [one.position.offset for one in search.found] == list(OURS)
    assert search.complete and search.looked_at == Stretch(0, RECORDS)


def test_the_newest_is_found_without_reading_what_is_older(reader: PartitionReader) -> None:
    search = reader.backward(TOPIC, reader.extent(TOPIC), about_ticket(TICKET), soon())
    assert [one.position.offset for one in search.found] == [OURS[-1]]
    assert search.looked_at.first > OURS[1] and not search.complete


def test_going_back_far_enough_finds_all_in_their_order(reader: PartitionReader) -> None:
    search = reader.backward(TOPIC, reader.extent(TOPIC), about_ticket(TICKET), soon(), enough=5)
    assert [one.position.offset for one in search.found] == list(OURS)
    assert search.complete


def test_a_search_without_time_says_that_it_looked_at_nothing(reader: PartitionReader) -> None:
    for search in (
        reader.backward(TOPIC, Stretch(0, RECORDS), about_ticket(TICKET), time.monotonic() - 1),
        reader.forward(TOPIC, Stretch(0, RECORDS), about_ticket(TICKET), time.monotonic() - 1),
    ):
        assert (search.found, search.looked_at.length, search.complete) == ((), 0, False)


def test_a_time_leads_to_the_first_offset_written_then(reader: PartitionReader) -> None:
    kept, now = reader.extent(TOPIC), datetime.now(UTC)
    assert reader.since(TOPIC, now - timedelta(days=1), kept) == 0
    assert reader.since(TOPIC, now + timedelta(minutes=5), kept) == kept.end


def test_a_tenants_partition_is_known_by_its_newest_key(config: dict[str, str]) -> None:
    lanes = LaneReader(config, PREFIX, 20.0)
    assert partition_by_keys(lanes, config, PREFIX, TENANT) == PARTITION
    assert partition_by_keys(lanes, config, PREFIX, "msp-nobody") is None


def test_a_stage_that_never_ran_has_all_before_it_and_no_worker(config: dict[str, str]) -> None:
    lane = LaneReader(config, PREFIX, 20.0).lanes(PARTITION)[Stage.ENRICH]
    assert (lane.next, lane.end, lane.lag) == (0, RECORDS, RECORDS)
    assert (lane.workers, lane.owned) == (0, False)


def test_a_kafka_that_is_away_is_said_to_be() -> None:
    (port,) = free_ports(1)
    nobody = {"bootstrap.servers": f"127.0.0.1:{port}"}
    with PartitionReader(nobody, PREFIX, PARTITION) as reader, pytest.raises(KafkaAway, match="did not answer"):
        reader.extent(TOPIC)
    with pytest.raises(KafkaAway):
        LaneReader(nobody, PREFIX, 0.5).lanes(PARTITION)
