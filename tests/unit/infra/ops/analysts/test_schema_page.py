"""The page of schemas: current, whole, and honest about versions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from infra.ops.analysts.schema_page import PAGE, fields_of, page
from schemas.catalogue import CATALOGUE, SchemaVersion

ROOT = Path(__file__).resolve().parents[5]


@dataclass(frozen=True, slots=True)
class Planned:
    """A version that isn't in the package."""

    version: int
    parsed: Any
    schema_id: int = 1


def version(number: int, *fields: dict[str, Any]) -> SchemaVersion:
    return cast(SchemaVersion, Planned(number, {"name": "com.ticketstream.Thing", "fields": list(fields)}))


ID: dict[str, Any] = {"name": "event_id", "type": "string", "doc": "Its id."}
ADDED: dict[str, Any] = {"name": "cost", "type": ["null", "double"], "default": None}


def test_the_page_in_the_handbook_is_the_one_that_make_schemas_writes() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run: make schemas"


def test_every_event_has_its_fields_topic_and_id() -> None:
    text = page()
    for one in CATALOGUE:
        section = text.partition(f"\n## {one.event.__name__}\n")[2].partition("\n## ")[0]
        assert f"`{one.topic.value}`" in section
        assert str(one.schema_id) in text
        names = {field["name"] for field in json.loads(one.text)["fields"]}
        assert names <= set(re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.MULTILINE))


def test_a_field_stands_with_the_first_version_that_has_it() -> None:
    found = fields_of([version(1, ID), version(2, ID, ADDED)])

    assert [(one.name, one.type, one.default, one.since) for one in found] == [
        ("event_id", "string", "", 1),
        ("cost", "double?", "null", 2),
    ]


def test_records_within_are_told_field_by_field() -> None:
    step = {"type": "record", "name": "Step", "doc": "One step.", "fields": [{"name": "at", "type": "long"}]}
    field = {"name": "steps", "type": {"type": "array", "items": step}}

    found = fields_of([version(1, ID, field)])

    assert [(one.name, one.type, one.says) for one in found[1:]] == [
        ("steps", "array of Step", "One step."),
        ("steps[].at", "long", ""),
    ]


def test_a_bar_in_a_text_does_not_break_the_table() -> None:
    (found,) = fields_of([version(1, ID | {"doc": "a | b"})])

    assert found.says == "a &#124; b"
