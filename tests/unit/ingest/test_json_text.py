"""JSON from strangers: depth, encoding, grammar, and texts that nobody could store."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import Refused
from ingest.json_text import MAX_DEPTH, parse_json
from sinks.servicedesk.storable_text import storable


def refused(body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parse_json(body)
    return caught.value


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)


def test_32_levels_are_read_and_33_are_not() -> None:
    assert parse_json(nested(MAX_DEPTH)) is not None
    assert (refused(nested(MAX_DEPTH + 1)).status, refused(nested(MAX_DEPTH + 1)).field) == (422, "$")


def test_brackets_inside_texts_are_no_depth() -> None:
    body = json.dumps({"a": "[{" * 500 + '"\\' + "[" * 50, "b": ["]" * 40]}).encode()
    assert parse_json(body) == json.loads(body)


def test_many_shallow_objects_are_no_depth() -> None:
    body = json.dumps([{"a": [1, {}]}] * 500).encode()
    assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"]" * 100,
        b"nan",
        b"[NaN]",
        b"[Infinity]",
        b'{"a":1,}',
        b"\xef\xbb\xbf{}",
        b'"\\ud800" x',
        b"'a'",
    ],
)
def test_what_is_not_json_is_400(body: bytes) -> None:
    assert refused(body).status == 400


@pytest.mark.parametrize("body", [b'"\xff"', b'{"a":"\xc3"}', b'"\xed\xa0\x80"', nested(40).replace(b"a", b"\xff")])
def test_what_is_not_utf8_is_400(body: bytes) -> None:
    assert refused(body).status == 400


def test_balanced_depth_of_half_a_million_is_422_at_once() -> None:
    started = time.perf_counter()
    assert refused(b"[" * 500_000 + b"]" * 500_000).status == 422
    assert refused(b"[" * 33 + b"]" * 33).status == 422
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("unit", [b'\\"', b'"', b'"\\', b"{}[", b'["', b'{"a":"\\"[', b"\\"])
def test_no_document_of_1_mib_takes_long(unit: bytes) -> None:
    body = b'{"' + unit * (1024 * 1024 // len(unit))
    started = time.perf_counter()
    with pytest.raises(Refused):
        parse_json(body)
    assert time.perf_counter() - started < 2


def test_lone_surrogates_are_read_and_made_storable() -> None:
    text = parse_json(b'{"a":"x\\ud800y\\u0000\\ud83d\\ude00"}')["a"]
    assert storable(text) == "x\ufffdy\ufffd\U0001f600"
    storable(text).encode()


@given(st.text(st.characters()))
def test_any_text_becomes_storable_and_good_text_stays(text: str) -> None:
    stored = storable(text)
    assert "\0" not in stored
    stored.encode()
    if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert stored == text


@given(
    st.recursive(
        st.none() | st.text() | st.integers(-(2**53), 2**53),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_read_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
