"""What is published in one turn of the loop goes out together, and no event suffers for another's fault."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from infra.runtime.kafka.producer import PublishError, Record
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.signing import SigningKey
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.topics import Topic
from schemas.wire_format import TooLarge

AT = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)


class Acknowledging:
    """Takes every record but those of full partitions, and says so at once."""

    def __init__(self, *full: int) -> None:
        self.sent: list[Record] = []
        self._full = full

    def send(self, record: Record, done: asyncio.Future[None]) -> None:
        if record.partition in self._full:
            raise PublishError("the producer's queue is full")
        self.sent.append(record)
        done.set_result(None)


def received(number: int, description: str = "d") -> TicketReceived:
    ticket = Ticket(str(number), "VPN down", description)
    return TicketReceived(f"event-{number}", "msp-acme-corp", TicketKind.CREATED, ticket, AT)


def publish(publisher: Publisher, event: TicketReceived, *, trace: str | None = None) -> asyncio.Future[None]:
    number = int(event.ticket_id)
    return publisher.publish(event, topic=Topic.TICKETS_RECEIVED, partition=number, traceparent=trace)


def published(kafka: Acknowledging) -> list[int]:
    return [record.partition for record in kafka.sent]


async def test_a_turns_events_go_out_in_the_order_in_which_they_came() -> None:
    kafka = Acknowledging()
    publisher = Publisher(kafka, SigningKey.create("ingest"))
    waiting = [publish(publisher, received(number)) for number in range(5)]
    assert kafka.sent == [], "nothing goes out before the turn is over"
    await asyncio.gather(*waiting)
    assert published(kafka) == [0, 1, 2, 3, 4]
    assert len({dict(record.headers)["signature"] for record in kafka.sent}) == 5


@pytest.mark.parametrize(
    ("event", "trace", "error"),
    [
        (received(1, "x" * 300_000), None, TooLarge),
        (received(1), "\ud800", UnicodeEncodeError),
    ],
)
async def test_an_event_that_can_not_be_written_fails_alone(
    event: TicketReceived, trace: str | None, error: type[Exception]
) -> None:
    kafka = Acknowledging()
    publisher = Publisher(kafka, SigningKey.create("ingest"))
    before, bad = publish(publisher, received(0)), publish(publisher, event, trace=trace)
    await asyncio.gather(before, publish(publisher, received(2)))
    with pytest.raises(error):
        await bad
    assert published(kafka) == [0, 2]


async def test_an_event_that_kafka_does_not_take_fails_alone() -> None:
    kafka = Acknowledging(1)
    publisher = Publisher(kafka, SigningKey.create("ingest"))
    waiting = [publish(publisher, received(number)) for number in range(3)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), PublishError, type(None)]
    assert published(kafka) == [0, 2]


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    kafka = Acknowledging()
    publisher = Publisher(kafka, SigningKey.create("ingest"))
    publish(publisher, received(0)).cancel()
    await publish(publisher, received(1))
    assert published(kafka) == [1]
