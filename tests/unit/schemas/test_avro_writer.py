"""What the writer refuses; that its bytes are fastavro's is in test_wire_format."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.avro_writer import writer_for

PAIR = {"type": "record", "name": "Pair", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}


def schema(kind: Any) -> Any:
    """A record with a field of this kind."""
    return fastavro.parse_schema({**PAIR, "fields": [{"name": "a", "type": kind}, PAIR["fields"][1]]})


def written(kind: Any, value: Any) -> bytes:
    out = bytearray()
    writer_for(schema(kind))(out, SimpleNamespace(a=value, b=""))
    return bytes(out)


@given(st.integers(-(2**63), 2**63 - 1))
@example(-(2**63))
@example(2**63 - 1)
@example(63)
@example(64)
@example(-65)
def test_longs(number: int) -> None:
    theirs = BytesIO()
    fastavro.schemaless_writer(theirs, schema("long"), {"a": number, "b": ""})
    assert written("long", number) == theirs.getvalue()


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_a_number_beyond_64_bits_is_not_written(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        written("long", number)


@pytest.mark.parametrize(
    "kind",
    [
        ["string", "null"],
        ["null", "string", "long"],
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "enum", "name": "Colour", "symbols": ["RED"]},
        {"type": "fixed", "name": "Four", "size": 4},
    ],
)
def test_a_schema_that_it_does_not_know_is_refused_when_it_is_made(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"union|teach"):
        writer_for(schema(kind))


def test_a_record_named_twice_is_written_both_times() -> None:
    inner = {"type": "record", "name": "Inner", "fields": PAIR["fields"]}
    twice = {
        "type": "record",
        "name": "Twice",
        "fields": [{"name": "a", "type": inner}, {"name": "b", "type": "Inner"}],
    }
    value = {"a": {"a": 1, "b": "x"}, "b": {"a": 2, "b": "y"}}
    theirs, out = BytesIO(), bytearray()
    fastavro.schemaless_writer(theirs, fastavro.parse_schema(twice), value)
    writer_for(fastavro.parse_schema(twice))(
        out, SimpleNamespace(a=SimpleNamespace(a=1, b="x"), b=SimpleNamespace(a=2, b="y"))
    )
    assert bytes(out) == theirs.getvalue()
