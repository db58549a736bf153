"""How old the first event is that isn't handled: read once a batch, never guessed."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import pack, unpack_from
from typing import Any, cast

import pytest

from infra.ops.lag import ages
from infra.ops.lag.ages import AgeReader
from infra.ops.lag.brokers import Brokers, LagUnknown, Layout
from infra.ops.lag.wire import Question

TOPIC = "tickets.received"


def batch(base: int, records: int, appended: int, size: int = 100) -> bytes:
    """A header as the broker writes it, and some bytes."""
    head = pack(">qiibihiqq", base, size, 0, 2, 0, 8, records - 1, 0, appended)
    return head + bytes(12 + size - len(head))


@dataclass
class OneBroker:
    """Has partitions of batches. Like Kafka it sends whole batches only, and of the first partition one at least."""

    logs: dict[int, list[tuple[int, bytes]]] = field(default_factory=dict)
    asked: list[list[int]] = field(default_factory=list)
    away: bool = False

    async def layout(self) -> Layout:
        return Layout({TOPIC: dict.fromkeys(range(3000), 1)}, {1: {TOPIC: range(3000)}})

    async def ask_leader(self, broker: int, question: Question) -> bytes:
        if self.away:
            raise LagUnknown("away", "wait")
        body, at = question.encode(), 21 + 2 + len(TOPIC)
        (count,) = unpack_from(">i", body, at)
        wanted = [unpack_from(">iqi", body, at + 4 + 16 * index) for index in range(count)]
        self.asked.append([number for number, _, _ in wanted])
        answer, sent = pack(">iih", 0, 1, len(TOPIC)) + TOPIC.encode() + pack(">i", count), False
        for number, offset, limit in wanted:
            found = b""
            for last, one in self.logs.get(number, []):
                if last >= offset and (len(found) + len(one) <= limit or not (found or sent)):
                    found += one
            sent = sent or bool(found)
            answer += pack(">ihqqii", number, 0, 0, 0, 0, len(found)) + found
        return answer


@pytest.fixture
def broker() -> OneBroker:
    return OneBroker({0: [(9, batch(0, 10, 5000)), (12, batch(10, 3, 7000))], 1: [(0, batch(0, 1, 9000))]})


@pytest.fixture
def reader(broker: OneBroker) -> AgeReader:
    return AgeReader(cast(Brokers, cast(Any, broker)))


async def test_the_time_is_that_of_the_batch_in_which_the_record_stands(reader: AgeReader) -> None:
    assert await reader.appended_at({(TOPIC, 0): 4, (TOPIC, 1): 0}) == {(TOPIC, 0): 5.0, (TOPIC, 1): 9.0}
    assert await reader.appended_at({(TOPIC, 0): 11}) == {(TOPIC, 0): 7.0}


async def test_what_was_read_isnt_read_again(reader: AgeReader, broker: OneBroker) -> None:
    for offset in (0, 3, 9, 12):
        await reader.appended_at({(TOPIC, 0): offset})
    assert len(broker.asked) == 1
    await reader.appended_at({(TOPIC, 0): 13})
    assert len(broker.asked) > 1


async def test_batches_that_dont_fit_beside_others_are_asked_for_with_more_room(
    reader: AgeReader, broker: OneBroker
) -> None:
    broker.logs = {number: [(0, batch(0, 1, 1000 * number, size=50_000))] for number in range(6)}
    found = await reader.appended_at({(TOPIC, number): 0 for number in range(6)})
    assert found == {(TOPIC, number): float(number) for number in range(6)}
    assert len(broker.asked) == 2


async def test_where_kafka_says_nothing_nothing_is_known(reader: AgeReader, broker: OneBroker) -> None:
    assert await reader.appended_at({(TOPIC, 2): 0}) == {(TOPIC, 2): None}
    broker.away = True
    assert await reader.appended_at({(TOPIC, 0): 0}) == {(TOPIC, 0): None}


async def test_one_round_is_bounded_and_every_partition_gets_its_turn(
    reader: AgeReader, broker: OneBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ages, "MOST_A_ROUND", 10)
    broker.logs = {number: [(0, batch(0, 1, 1000))] for number in range(35)}
    for _ in range(4):
        found = await reader.appended_at({(TOPIC, number): 0 for number in range(35)})
        assert all(len(asked) <= 10 for asked in broker.asked)
    assert set(found.values()) == {1.0}
