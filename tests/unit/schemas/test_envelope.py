"""CloudEvents headers: what a record must have, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from schemas import envelope, times
from schemas.envelope import BadEnvelope, Envelope
from schemas.events import Ticket, TicketKind, TicketReceived

AT = datetime(2026, 1, 31, 10, 0, tzinfo=timezone(timedelta(hours=1)))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENT = TicketReceived("event-1", "msp-acme-corp", TicketKind.CREATED, Ticket("10042", "s", "d"), AT)
ENVELOPE = Envelope.of(EVENT, service="ingest", at=AT, traceparent=TRACE)
Headers = list[tuple[str, bytes | None]]


def headers(**changes: bytes | None) -> Headers:
    found = {name: value for name, value in ENVELOPE.headers("sig") if isinstance(value, bytes)}
    return list({**found, **changes}.items())


def test_the_headers_are_those_of_the_contract() -> None:
    assert dict(headers()) == {
        "ce_specversion": b"1.0",
        "ce_id": b"event-1",
        "ce_type": b"com.ticketstream.TicketReceived.v1",
        "ce_source": b"/ticketstream/ingest",
        "ce_subject": b"10042",
        "ce_time": b"2026-01-31T09:00:00.000Z",
        "ce_tenantid": b"msp-acme-corp",
        "content-type": b"application/vnd.confluent.avro",
        "signature": b"sig",
        "traceparent": TRACE.encode(),
    }


def test_they_are_read_as_they_were_written() -> None:
    assert envelope.parse(headers()) == (ENVELOPE, "sig")


def test_a_trace_is_optional_and_strangers_headers_are_ignored() -> None:
    bare = Envelope.of(EVENT, service="ingest", at=AT)
    pairs: Headers = [(name, value) for name, value in bare.headers("sig") if isinstance(value, bytes)]
    assert envelope.parse([("x", None), ("x", b"\xff" * 9999), *pairs]) == (bare, "sig")


@pytest.mark.parametrize("name", envelope.REQUIRED)
def test_none_may_be_missing(name: str) -> None:
    with pytest.raises(BadEnvelope, match=name):
        envelope.parse([(key, value) for key, value in headers() if key != name])


@pytest.mark.parametrize("name", [*envelope.REQUIRED, "traceparent"])
@pytest.mark.parametrize("value", [None, b"\xc3\x28", b"x" * 1025], ids=["null", "not UTF-8", "oversized"])
def test_none_may_be_null_oversized_or_no_text(name: str, value: bytes | None) -> None:
    with pytest.raises(BadEnvelope, match=name):
        envelope.parse(headers(**{name: value}))


@pytest.mark.parametrize("name", [*envelope.REQUIRED, "traceparent"])
def test_none_may_be_there_twice_even_alike(name: str) -> None:
    with pytest.raises(BadEnvelope, match=f"{name} is there twice"):
        envelope.parse([*headers(), (name, dict(headers())[name])])


def test_another_version_of_cloudevents_is_refused() -> None:
    with pytest.raises(BadEnvelope, match=r"1\.0"):
        envelope.parse(headers(ce_specversion=b"0.3"))


def test_peek_takes_any_text_and_never_fails() -> None:
    assert envelope.peek(headers(), "ce_subject") == "10042"
    assert envelope.peek(headers(ce_subject=b"\xff"), "ce_subject") == "\N{REPLACEMENT CHARACTER}"
    assert envelope.peek(headers(ce_subject=b"x" * 1025), "ce_subject") == ""
    assert envelope.peek(headers(ce_subject=None), "ce_subject") == ""
    assert envelope.peek([], "ce_subject") == ""


def test_times_are_utc_with_milliseconds() -> None:
    assert times.rfc3339(AT) == "2026-01-31T09:00:00.000Z"
    assert times.rfc3339(datetime(2026, 1, 2, 3, 4, 5, 678999, UTC)) == "2026-01-02T03:04:05.678Z"
