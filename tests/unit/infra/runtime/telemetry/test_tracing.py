"""Spans: who is whose part, what they say, and that nothing happens where nobody takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.fakes import KeptSpans, kept_spans
from infra.runtime.telemetry.tracing import Kind

INCOMING = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[KeptSpans]:
    with kept_spans() as kept:
        yield kept


def test_without_an_exporter_there_are_no_spans() -> None:
    with tracing.entry("process", Kind.CONSUMER, traceparent=INCOMING) as whole, tracing.span("part") as part:
        part.set("outcome", "emit")
        assert whole is part is tracing.NOTHING is tracing.current()
        assert whole.traceparent is None
    assert not tracing.on()


def test_a_part_belongs_to_what_it_is_done_for(spans: KeptSpans) -> None:
    with tracing.entry("process", Kind.CONSUMER, traceparent=INCOMING):
        with tracing.span("source"), tracing.span("SELECT", Kind.CLIENT):
            pass
        with tracing.span("send"):
            pass
    whole, source, select, send = map(spans.named, ("process", "source", "SELECT", "send"))
    assert {span.trace_id for span in spans.ended_spans} == {INCOMING[3:35]}
    assert (whole.parent_id, whole.remote) == (INCOMING[36:52], True)
    assert (source.parent_id, select.parent_id, send.parent_id) == (whole.span_id, source.span_id, whole.span_id)
    assert all(span.started <= span.ended for span in spans.ended_spans)


def test_work_that_belongs_to_no_ticket_makes_no_spans(spans: KeptSpans) -> None:
    with tracing.span("SELECT", Kind.CLIENT):
        pass
    assert spans.ended_spans == []


async def test_tasks_that_are_started_inside_are_parts_and_others_are_not(spans: KeptSpans) -> None:
    began = asyncio.Event()

    async def part(name: str) -> None:
        await began.wait()
        with tracing.span(name):
            pass

    outside = asyncio.create_task(part("outside"))
    with tracing.entry("process", Kind.CONSUMER):
        inside = asyncio.create_task(part("inside"))
    began.set()
    await asyncio.gather(outside, inside)
    assert [span.name for span in spans.ended_spans] == ["process", "inside"]
    assert spans.named("inside").parent_id == spans.named("process").span_id


def test_whom_it_is_about_is_said_by_all_parts_that_follow(spans: KeptSpans) -> None:
    with tracing.entry("process", Kind.CONSUMER) as whole:
        with tracing.span("before"):
            pass
        whole.about("msp-acme-corp", "10042")
        with tracing.span("after"), tracing.span("inner", attributes={"items": 3}):
            pass
    whose = {"tenant_id": "msp-acme-corp", "ticket_id": "10042"}
    assert spans.named("before").attributes == {}
    assert spans.named("after").attributes == spans.named("process").attributes == whose
    assert spans.named("inner").attributes == {"items": 3, **whose}


def test_of_an_exception_only_the_type_is_kept(spans: KeptSpans) -> None:
    with pytest.raises(ValueError, match="text"), tracing.entry("process", Kind.CONSUMER):
        raise ValueError("the text of a ticket")
    assert spans.named("process").error == "ValueError"
    assert spans.named("process").attributes == {}


def test_what_follows_carries_the_spans_own_traceparent_with_the_sampled_flag(spans: KeptSpans) -> None:
    with tracing.entry("process", Kind.CONSUMER, traceparent=INCOMING):
        carried = tracing.traceparent()
    assert carried == f"{INCOMING[:36]}{spans.named('process').span_id}-01"


def test_a_trace_that_is_left_out_goes_on_unrecorded() -> None:
    with kept_spans(samples=False) as spans:
        with tracing.entry("process", Kind.CONSUMER, traceparent=INCOMING), tracing.span("part"):
            assert tracing.traceparent() == INCOMING
        with tracing.entry("POST", Kind.SERVER):
            assert tracing.traceparent().endswith("-00")
    assert spans.ended_spans == []


@pytest.mark.parametrize("strange", ["", "00-0-0-01", INCOMING + "-extra", "ff" + INCOMING[2:]])
def test_a_traceparent_that_is_none_begins_a_trace(spans: KeptSpans, strange: str) -> None:
    with tracing.entry("process", Kind.CONSUMER, traceparent=strange, links=[strange]):
        pass
    begun = spans.named("process")
    assert (begun.parent_id, begun.remote, begun.links) == ("", False, ())
    assert len(begun.trace_id) == 32


def test_what_repeats_something_links_to_it(spans: KeptSpans) -> None:
    with tracing.entry("replay", Kind.INTERNAL, links=[INCOMING, None]):
        pass
    assert spans.named("replay").links == (INCOMING,)
    assert spans.named("replay").trace_id != INCOMING[3:35]


def test_the_next_piece_of_work_is_not_part_of_the_last(spans: KeptSpans) -> None:
    for _ in range(2):
        with tracing.entry("POST", Kind.SERVER):
            pass
    first, second = spans.ended_spans
    assert first.trace_id != second.trace_id
    assert tracing.current() is tracing.NOTHING
