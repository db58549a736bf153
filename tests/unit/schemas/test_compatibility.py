"""Full-transitive compatibility of all versions of each event, and proof that the check would notice."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.catalogue import CATALOGUE, NEWEST
from tests.unit.schemas.compatibility import disagreements

Change = Callable[[Any], None]
V1 = {
    "type": "record",
    "name": "Event",
    "namespace": "com.ticketstream",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "count", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": None},
        {
            "name": "parts",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Part", "fields": [{"name": "title", "type": "string"}]},
            },
        },
    ],
}


@pytest.mark.parametrize("event", NEWEST, ids=lambda event: event.__name__)
def test_every_version_reads_what_every_other_writes(event: type[Any]) -> None:
    versions = {f"v{schema.version}": json.loads(schema.text) for schema in CATALOGUE if schema.event is event}
    assert disagreements(versions) == []


@pytest.mark.parametrize("schema", CATALOGUE, ids=lambda schema: schema.file)
def test_a_version_reads_itself_and_what_an_optional_field_was_added_to(schema: Any) -> None:
    v1 = json.loads(schema.text)
    v2 = copy.deepcopy(v1)
    v2["fields"].append({"name": "added_later", "type": ["null", "string"], "default": None})
    assert disagreements({"v1": v1, "v2": v2}) == []


def _add(field: dict[str, Any]) -> Change:
    return lambda schema: schema["fields"].append(field)


def _retype(name: str, type_: Any, **more: Any) -> Change:
    def change(schema: Any) -> None:
        next(field for field in schema["fields"] if field["name"] == name).update(type=type_, **more)

    return change


def _remove(name: str) -> Change:
    def change(schema: Any) -> None:
        schema["fields"] = [field for field in schema["fields"] if field["name"] != name]

    return change


def _rename(name: str, to: str) -> Change:
    def change(schema: Any) -> None:
        next(field for field in schema["fields"] if field["name"] == name)["name"] = to

    return change


def _inside_parts(change: Change) -> Change:
    return lambda schema: change(schema["fields"][3]["type"]["items"])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_add({"name": "extra", "type": "string"}), id="a field without a default is added"),
        pytest.param(_remove("count"), id="a required field is removed"),
        pytest.param(_rename("id", "event_id"), id="a required field is renamed"),
        pytest.param(_retype("count", "string"), id="a type changes"),
        pytest.param(_retype("count", ["null", "long"]), id="required becomes optional: old readers meet null"),
        pytest.param(_retype("note", "string", default=""), id="optional becomes required: new readers meet null"),
        pytest.param(_retype("count", "double"), id="a promotion, which goes only one way"),
        pytest.param(_inside_parts(_add({"name": "size", "type": "long"})), id="a nested field without a default"),
        pytest.param(_retype("parts", {"type": "map", "values": "string"}), id="an array becomes a map"),
    ],
)
def test_the_check_notices(change: Change) -> None:
    v2 = copy.deepcopy(V1)
    change(v2)
    assert disagreements({"v1": V1, "v2": v2})


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_add({"name": "extra", "type": "string", "default": ""}), id="a field with a default is added"),
        pytest.param(_remove("note"), id="an optional field is removed"),
        pytest.param(
            _inside_parts(_add({"name": "link", "type": ["null", "string"], "default": None})), id="nested, optional"
        ),
        pytest.param(lambda schema: schema["fields"].reverse(), id="fields change places"),
    ],
)
def test_the_check_allows(change: Change) -> None:
    v2 = copy.deepcopy(V1)
    change(v2)
    assert disagreements({"v1": V1, "v2": v2}) == []


def test_three_versions_are_held_against_each_other_not_only_neighbours() -> None:
    """v1 → v2 removes an optional field, v2 → v3 brings its name back with another type: only v1 and v3 disagree."""
    v2, v3 = copy.deepcopy(V1), copy.deepcopy(V1)
    _remove("note")(v2)
    _retype("note", ["null", "long"])(v3)
    found = disagreements({"v1": V1, "v2": v2, "v3": v3})
    assert {line.split(":")[0] for line in found} == {"v3 can't read what v1 writes", "v1 can't read what v3 writes"}
