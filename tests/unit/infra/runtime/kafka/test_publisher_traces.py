"""The traceparent that a record carries: the send span's where traces are made, else the caller's."""

from __future__ import annotations

import pytest

from infra.runtime.kafka.producer import PublishError
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.keys.signing import SigningKey
from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.fakes import kept_spans
from infra.runtime.telemetry.tracing import Kind
from tests.unit.infra.runtime.kafka.test_publisher import Acknowledging, publish, received

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def traceparents(kafka: Acknowledging) -> list[str | bytes | None]:
    return [value for record in kafka.sent for name, value in record.headers if name == "traceparent"]


async def test_the_record_carries_the_send_spans_traceparent_and_no_other() -> None:
    kafka = Acknowledging()
    with kept_spans() as spans:
        with tracing.entry("process", Kind.CONSUMER) as whole:
            whole.about("msp-acme-corp", "4")
            await publish(Publisher(kafka, SigningKey.create("ingest"), prefix="a."), received(4), trace=GIVEN)
        send = spans.named("send a.tickets.received")
    assert traceparents(kafka) == [send.traceparent.encode()]
    assert send.traceparent.endswith("-01")
    assert (send.trace_id, send.kind, send.error) == (spans.named("process").trace_id, Kind.PRODUCER, "")
    assert send.attributes == {
        "messaging.system": "kafka", "messaging.operation.type": "send", "messaging.operation.name": "send",
        "messaging.destination.name": "a.tickets.received", "messaging.destination.partition.id": "4",
        "messaging.message.id": "event-4", "tenant_id": "msp-acme-corp", "ticket_id": "4",
    }  # fmt: skip


async def test_a_record_that_kafka_does_not_take_shows_as_a_failed_send() -> None:
    with kept_spans() as spans, tracing.entry("process", Kind.CONSUMER):
        with pytest.raises(PublishError):
            await publish(Publisher(Acknowledging(4), SigningKey.create("ingest")), received(4))
        assert spans.named("send tickets.received").error == "PublishError"


@pytest.mark.parametrize("made", [False, True])
async def test_outside_of_a_trace_the_callers_traceparent_goes_on(made: bool) -> None:
    kafka = Acknowledging()
    publisher = Publisher(kafka, SigningKey.create("ingest"))
    if made:
        with kept_spans() as spans:
            await publish(publisher, received(4), trace=GIVEN)
        assert spans.ended_spans == []
    else:
        await publish(publisher, received(4), trace=GIVEN)
    assert traceparents(kafka) == [GIVEN.encode()]
