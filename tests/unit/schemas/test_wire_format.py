"""Events as bytes and back: every event, every schema version, and bytes that are no events."""

from __future__ import annotations

import dataclasses
import json
import types
from datetime import UTC, datetime, timedelta
from enum import Enum
from io import BytesIO
from typing import Any, Union, get_args, get_origin, get_type_hints

import fastavro
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.catalogue import BY_TOPIC, CATALOGUE, NEWEST, SchemaVersion
from schemas.events import DeadLetter, FeedbackSubmitted, FeedbackType, Ticket, TicketKind, TicketReceived
from schemas.records import to_record
from schemas.topics import MAX_EVENT_BYTES, Topic
from schemas.wire_format import Codec, Malformed, TooLarge, UnknownSchema, WireError
from tests.unit.schemas.generated import records

AT = datetime(2026, 1, 31, 9, 0, 0, 123000, UTC)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
LONG = st.integers(-(2**63), 2**63 - 1)


def received(description: str = "Tunnel to Pier 5 is gone") -> TicketReceived:
    ticket = Ticket("10042", "VPN down", description)
    return TicketReceived("0b7e5c1e-4f56-5a9e-9a6a-6f3a4d5b8c01", "msp-acme-corp", TicketKind.CREATED, ticket, AT)


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values for a dataclass field's type."""
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of([any_of(arg) for arg in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(any_of(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is dict:
        return st.dictionaries(TEXT, any_of(get_args(hint)[1]), max_size=3)
    if dataclasses.is_dataclass(hint):
        return any_event(hint)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    return {
        str: TEXT,
        int: LONG,
        bool: st.booleans(),
        float: st.floats(allow_nan=False),
        bytes: st.binary(max_size=30),
        type(None): st.none(),
        datetime: st.integers(-(10**12), 10**13).map(
            lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
        ),
    }[hint]


def any_event(cls: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{field.name: any_of(hints[field.name]) for field in dataclasses.fields(cls)})


@pytest.mark.parametrize("event_type", NEWEST, ids=lambda event: event.__name__)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_is_written_is_read(event_type: Any, data: st.DataObject) -> None:
    event = data.draw(any_event(event_type))
    assert Codec().decode(Codec().encode(event), NEWEST[event_type].topic) == event


@pytest.mark.parametrize("event_type", NEWEST, ids=lambda event: event.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_bytes_are_those_of_fastavro(event_type: Any, data: st.DataObject) -> None:
    event = data.draw(any_event(event_type))
    theirs = BytesIO()
    fastavro.schemaless_writer(theirs, NEWEST[event_type].parsed, to_record(event))
    assert Codec().encode(event)[5:] == theirs.getvalue()


@pytest.mark.parametrize("description", [None, 5, b"bytes"])
def test_a_value_that_the_schema_does_not_allow_is_no_event(description: Any) -> None:
    with pytest.raises(TypeError, match="TicketReceived"):
        Codec().encode(dataclasses.replace(received(), ticket=Ticket("1", "s", description, content_hash="x")))


@pytest.mark.parametrize("schema", CATALOGUE, ids=lambda schema: schema.file)
def test_events_written_with_any_version_become_events_of_today(schema: SchemaVersion) -> None:
    """By another writer, who has only the .avsc file."""
    for record in records(json.loads(schema.text)):
        buffer = BytesIO(b"\0" + schema.schema_id.to_bytes(4, "big"))
        buffer.seek(5)
        fastavro.schemaless_writer(buffer, schema.parsed, record)
        event = Codec().decode(buffer.getvalue(), schema.topic)
        assert isinstance(event, schema.event) and event.event_id == record["event_id"]


def test_microseconds_are_cut_to_the_milliseconds_that_avro_keeps() -> None:
    event = dataclasses.replace(received(), received_at=AT + timedelta(microseconds=999))
    assert Codec().decode(Codec().encode(event), Topic.TICKETS_RECEIVED).received_at == AT


def test_a_time_without_a_zone_is_refused_rather_than_taken_for_local() -> None:
    with pytest.raises(TypeError, match="naive"):
        Codec().encode(dataclasses.replace(received(), received_at=AT.replace(tzinfo=None)))


def test_other_time_zones_are_the_same_instant() -> None:
    from zoneinfo import ZoneInfo

    event = dataclasses.replace(received(), received_at=AT.astimezone(ZoneInfo("Asia/Kolkata")))
    assert Codec().decode(Codec().encode(event), Topic.TICKETS_RECEIVED).received_at == AT


def test_the_wire_format_is_confluents() -> None:
    value = Codec().encode(received())
    assert value[:5] == b"\x00\x00\x00\x03\xe9"  # 1001
    record = fastavro.schemaless_reader(BytesIO(value[5:]), BY_TOPIC[Topic.TICKETS_RECEIVED].parsed, None)
    assert isinstance(record, dict) and record["tenant_id"] == "msp-acme-corp"


def test_ids_of_a_schema_registry_are_written_and_both_are_read() -> None:
    codec = Codec(registered={70_001: 1001}, writes_as={1001: 70_001})
    value = codec.encode(received())
    assert int.from_bytes(value[1:5], "big") == 70_001
    assert codec.decode(value, Topic.TICKETS_RECEIVED) == received()
    assert codec.decode(Codec().encode(received()), Topic.TICKETS_RECEIVED) == received()
    with pytest.raises(UnknownSchema):
        Codec().decode(value, Topic.TICKETS_RECEIVED)


GOOD = Codec().encode(received())


@pytest.mark.parametrize(
    ("value", "error"),
    [
        pytest.param(b"", Malformed, id="nothing"),
        pytest.param(b'{"request":{}}', Malformed, id="JSON"),
        pytest.param(b"\x01" + GOOD[1:], Malformed, id="another magic byte"),
        pytest.param(GOOD[:3], Malformed, id="half a header"),
        pytest.param(GOOD[:5], Malformed, id="no body"),
        pytest.param(GOOD[:-1], Malformed, id="one byte short"),
        pytest.param(GOOD + b"\0", Malformed, id="one byte over"),
        pytest.param(GOOD[:5] + b"\x01" + GOOD[6:], Malformed, id="a negative length"),
        pytest.param(GOOD[:5] + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01" + GOOD[6:], Malformed, id="a huge length"),
        pytest.param(GOOD.replace(b"created", b"created"[:-1] + b"\xff"), Malformed, id="text that isn't UTF-8"),
        pytest.param(GOOD.replace(b"created", b"crEated"), Malformed, id="a kind that nobody knows"),
        pytest.param(b"\0\0\0\0\0" + GOOD[5:], UnknownSchema, id="schema 0"),
        pytest.param(b"\0\0\0\x04\x4c" + GOOD[5:], UnknownSchema, id="schema 1100"),
        pytest.param(b"\0\xe9\x03\0\0" + GOOD[5:], UnknownSchema, id="the id little-endian"),
        pytest.param(b"\0\0\0\x03\xea" + GOOD[5:], UnknownSchema, id="a schema of another topic"),
        pytest.param(b"\0" * (MAX_EVENT_BYTES + 1), TooLarge, id="above 256 KiB"),
    ],
)
def test_what_is_no_event_says_what_is_wrong(value: bytes, error: type[WireError]) -> None:
    with pytest.raises(error) as told:
        Codec().decode(value, Topic.TICKETS_RECEIVED)
    assert type(told.value) is error and str(told.value)


def test_an_event_on_the_wrong_topic_is_refused_though_its_bytes_are_right() -> None:
    with pytest.raises(UnknownSchema, match=r"TicketReceived.*tickets\.enriched"):
        Codec().decode(GOOD, Topic.TICKETS_ENRICHED)


@settings(max_examples=300, deadline=None)
@given(topic=st.sampled_from(list(Topic)), body=st.binary(max_size=200), cut=st.integers(0, 400))
@example(topic=Topic.DEAD_LETTERS, body=b"\xff" * 200, cut=0)
def test_hostile_bytes_raise_nothing_but_a_wire_error(topic: Topic, body: bytes, cut: int) -> None:
    header = b"\0" + BY_TOPIC[topic].schema_id.to_bytes(4, "big")
    for value in (body, header + body, header + GOOD[5:cut] + body):
        try:
            event = Codec().decode(value, topic)
        except WireError:
            continue
        assert Codec().decode(Codec().encode(event), topic) == event


def test_256_kib_are_the_most_an_event_may_have() -> None:
    spare = MAX_EVENT_BYTES - len(Codec().encode(received("x" * 100_000))) + 100_000
    assert len(Codec().encode(received("x" * spare))) == MAX_EVENT_BYTES
    with pytest.raises(TooLarge, match="262145 bytes"):
        Codec().encode(received("x" * (spare + 1)))


def test_a_dead_letter_carries_a_whole_record_of_1_mib() -> None:
    letter = DeadLetter(
        event_id="e", tenant_id="", ticket_id="", stage="enrich", reason="malformed", error="", attempts=1,
        first_failed_at=AT, last_failed_at=AT, original_topic="tickets.received", original_partition=3,
        original_offset=2**40, original_headers=(), original_key=None, original_value=b"\xff" * 1024 * 1024,
        original_sha256="",
    )  # fmt: skip
    assert Codec().decode(Codec().encode(letter), Topic.DEAD_LETTERS) == letter


def test_a_field_that_a_writer_left_out_takes_the_default() -> None:
    event = FeedbackSubmitted("e", "t", "1", FeedbackType.THUMBS_UP, AT)
    seen = Codec().decode(Codec().encode(event), Topic.FEEDBACK_SUBMITTED)
    assert (seen.rating, seen.comment, seen.feedback_type) == (None, None, FeedbackType.THUMBS_UP)
