"""What logs and traces say of an event's tries at a stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.runtime.stream import telling
from infra.runtime.stream.lanes import Later
from infra.runtime.stream.outcomes import Drop, Emit, Hold
from infra.runtime.stream.record import Input
from infra.runtime.telemetry import logs, tracing
from infra.runtime.telemetry.fakes import KeptSpans, kept_spans
from schemas.events import TicketEnriched
from schemas.reasons import Reason
from tests.unit.infra.runtime.stream.records import PARTITION, TENANT, TRACE, raw, with_header
from tests.unit.infra.runtime.stream.test_handler import World

TRACE_ID = TRACE[3:35]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.keys.refresh()
    return world


@pytest.fixture
def spans() -> Iterator[KeptSpans]:
    with kept_spans() as kept:
        yield kept


@pytest.fixture
def lines(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What was logged, as JSON."""
    logs.configure("enrich")
    monkeypatch.setattr(
        telling, "log", logs.get_logger("telling")
    )  # its own may be a command line's from an earlier test
    return lambda: [json.loads(line) for line in capfdbinary.readouterr().err.splitlines() if line.startswith(b"{")]


def emit(inputs: Input) -> Emit:
    return Emit(TicketEnriched.following(inputs.event, context=(), missing=(), took_ms={}, at=inputs.event.received_at))


async def test_a_try_is_a_span_that_goes_on_with_the_records_trace(world: World, spans: KeptSpans) -> None:
    world.decide = emit
    await world.handle(raw(offset=7))
    (span,) = spans.ended_spans
    assert (span.name, span.kind) == ("process tickets.received", tracing.Kind.CONSUMER)
    assert (span.trace_id, span.parent_id) == (TRACE_ID, TRACE[36:52])
    assert span.attributes == {
        "messaging.system": "kafka", "messaging.operation.type": "process", "messaging.operation.name": "process",
        "messaging.destination.name": "tickets.received", "messaging.destination.partition.id": str(PARTITION),
        "messaging.kafka.offset": 7, "messaging.consumer.group.name": "ticketstream.enrich",
        "messaging.message.id": "event-1", "attempt": 1, "outcome": "emit", "tenant_id": TENANT, "ticket_id": "10042",
    }  # fmt: skip


async def test_each_try_says_what_came_of_it(world: World, spans: KeptSpans) -> None:
    outcomes = [Hold(Reason.DATABASE_UNAVAILABLE, 3.0), Hold(Reason.DESK_UNAVAILABLE, 5.0), Drop(Reason.UNCHANGED)]
    world.decide = lambda _: outcomes.pop(0)
    assert await world.until_done() == 3
    told = [[span.attributes.get(name) for name in ("attempt", "outcome", "reason")] for span in spans.ended_spans]
    assert told == [[1, "hold", "database_unavailable"], [2, "hold", "desk_unavailable"], [3, "drop", "unchanged"]]
    assert spans.ended_spans[1].attributes["retry_after"] >= 5.0  # type: ignore[operator]
    assert {span.trace_id for span in spans.ended_spans} == {TRACE_ID}


async def test_a_bug_shows_as_its_tries_and_a_failed_end_without_what_the_exception_says(
    world: World, spans: KeptSpans
) -> None:
    def buggy(_: Input) -> Emit:
        raise ValueError("VPN down 1")

    world.decide = buggy
    await world.until_done()
    assert [span.attributes["outcome"] for span in spans.ended_spans] == ["hold", "hold", "dead_letter"]
    assert spans.ended_spans[-1].error == "internal_error"
    assert not any("VPN" in str(span.attributes) + span.error for span in spans.ended_spans)


async def test_a_try_whose_partition_was_revoked_says_so(world: World, spans: KeptSpans) -> None:
    world.owner = False
    await world.handle()
    assert spans.ended_spans[0].attributes["outcome"] == "revoked"


async def test_what_waits_behind_a_hold_is_no_try(world: World, spans: KeptSpans) -> None:
    world.decide = lambda _: Hold(Reason.DESK_UNAVAILABLE, 60.0)
    assert isinstance(await world.handle(raw(offset=0)), Later)
    await world.handle(raw(offset=1))
    assert len(spans.ended_spans) == 1


async def test_a_record_that_nobody_proved_is_a_failed_try_of_nobody(world: World, spans: KeptSpans) -> None:
    await world.handle(with_header(raw(), "signature", b"ed25519;nobody;AAAA"))
    (span,) = spans.ended_spans
    assert (span.error, span.attributes["outcome"]) == ("bad_signature", "dead_letter")
    assert "tenant_id" not in span.attributes


async def test_an_event_is_told_from_start_to_end_with_its_trace(world: World, lines: Any) -> None:
    record = raw(offset=7)
    appended_at = world.clock.now()
    world.clock.advance(2.5)
    await world.handle(replace(record, appended_at=appended_at))
    started, completed = [line for line in lines() if line["event"].startswith("Task")]
    whose = {"trace_id": TRACE_ID, "tenant_id": TENANT, "ticket_id": "10042", "event_id": "event-1", "stage": "enrich"}
    assert whose.items() <= started.items()
    assert whose.items() <= completed.items()
    assert (started["event"], started["attempt"], started["waited_seconds"]) == ("Task started", 1, 2.5)
    assert (completed["event"], completed["outcome"], completed["reason"]) == ("Task completed", "drop", "unchanged")
    assert 0 <= completed["duration_seconds"] < 5


async def test_whatever_a_stage_logs_meanwhile_names_trace_tenant_ticket_and_event(world: World, lines: Any) -> None:
    def decide(_: Input) -> Drop:
        logs.get_logger("a.module").info("Lease renewed")
        return Drop(Reason.UNCHANGED)

    world.decide = decide
    await world.handle()
    (said,) = [line for line in lines() if line["event"] == "Lease renewed"]
    assert (said["trace_id"], said["tenant_id"], said["ticket_id"], said["event_id"]) == (
        TRACE_ID, TENANT, "10042", "event-1",
    )  # fmt: skip
