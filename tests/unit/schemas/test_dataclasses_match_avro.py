"""The .avsc files and the dataclasses say the same, field by field, so that neither can be changed alone."""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from schemas.catalogue import NEWEST

SIMPLE = {str: "string", int: "long", float: "double", bool: "boolean", bytes: "bytes"}
TIMESTAMP = {"type": "long", "logicalType": "timestamp-millis"}


@pytest.mark.parametrize("event", NEWEST, ids=lambda event: event.__name__)
def test_newest_schema_and_dataclass_agree(event: type[Any]) -> None:
    assert_same(event, json.loads(NEWEST[event].text), {}, event.__name__)


def assert_same(cls: Any, schema: Any, named: dict[str, Any], where: str) -> None:
    """Names, order, types, optionality and defaults of all fields, down to the last nested record."""
    if isinstance(schema, str):
        schema = named[schema.rpartition(".")[2]]
    named[schema["name"]] = schema
    fields = dataclasses.fields(cls)
    assert schema["name"] == cls.__name__, where
    assert [field["name"] for field in schema["fields"]] == [field.name for field in fields], where
    hints = get_type_hints(cls)
    for field, written in zip(fields, schema["fields"], strict=True):
        path = f"{where}.{field.name}"
        assert_same_type(hints[field.name], written["type"], named, path)
        assert_same_default(field, written, path)


def assert_same_type(hint: Any, schema: Any, named: dict[str, Any], where: str) -> None:
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [arg for arg in get_args(hint) if arg is not type(None)]
        assert isinstance(schema, list) and schema[0] == "null" and len(schema) == 2, (
            f"{where}: null first, then one type"
        )
        assert_same_type(inner, schema[1], named, where)
    elif get_origin(hint) is tuple:
        assert schema["type"] == "array", where
        assert_same_type(get_args(hint)[0], schema["items"], named, where)
    elif get_origin(hint) is dict:
        assert schema["type"] == "map" and get_args(hint)[0] is str, where
        assert_same_type(get_args(hint)[1], schema["values"], named, where)
    elif hint is datetime:
        assert schema == TIMESTAMP, where
    elif dataclasses.is_dataclass(hint):
        assert_same(hint, schema, named, where)
    elif issubclass(hint, Enum):
        assert issubclass(hint, str) and schema == "string", f"{where}: a string, so that values can be added"
    else:
        assert schema == SIMPLE[hint], where


def assert_same_default(field: dataclasses.Field[Any], written: dict[str, Any], where: str) -> None:
    assert field.default_factory is dataclasses.MISSING, f"{where}: defaults are plain values"
    assert ("default" in written) == (field.default is not dataclasses.MISSING), (
        f"{where}: only one of them has a default"
    )
    if "default" in written:
        default = dataclasses.asdict(field.default) if dataclasses.is_dataclass(field.default) else field.default  # type: ignore[arg-type]
        assert written["default"] == (list(default) if default == () else default), where


def test_the_comparison_notices_what_differs() -> None:
    @dataclasses.dataclass
    class Small:
        name: str
        size: int | None = None

    right = {
        "name": "Small",
        "fields": [{"name": "name", "type": "string"}, {"name": "size", "type": ["null", "long"], "default": None}],
    }
    assert agree(Small, right)
    wrong: tuple[Callable[[Any], Any], ...] = (
        lambda s: s["fields"].reverse(),
        lambda s: s["fields"].pop(),
        lambda s: s["fields"][1].pop("default"),
        lambda s: s["fields"][1].update(default=3),
        lambda s: s["fields"][1].update(type="long"),
        lambda s: s["fields"][0].update(type="bytes"),
        lambda s: s["fields"][0].update(default=""),
    )
    for change in wrong:
        schema = json.loads(json.dumps(right))
        change(schema)
        assert not agree(Small, schema), schema


def agree(cls: Any, schema: Any) -> bool:
    try:
        assert_same(cls, schema, {}, "Small")
    except (AssertionError, TypeError):
        return False
    return True
