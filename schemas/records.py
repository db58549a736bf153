"""Frozen dataclasses to plain records, as fastavro reads and writes them, and back, by their type hints.

Understands str, int, float, bool, bytes, datetime, str enums, other such dataclasses, tuples of these, `dict[str, …]`, and
`| None`. Fields that a writer knew and we don't are left out; fields that a writer didn't know take the dataclass's default.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Hashable
from datetime import datetime
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from schemas.times import to_milliseconds

T = TypeVar("T")
Convert = Callable[[Any], Any]


def to_record(event: Any) -> dict[str, Any]:
    """The event as fastavro writes it; times as `timestamp-millis`."""
    names, values_of, converters = _shape(cast(Hashable, type(event)))
    record = dict(zip(names, values_of(event), strict=True))
    for name, out in converters:
        if (value := record[name]) is not None:
            record[name] = out(value)
    return record


def from_record(cls: type[T], record: dict[str, Any]) -> T:
    """The dataclass that a decoded record describes. Raises KeyError, TypeError or ValueError where it doesn't fit."""
    known, converters = _incoming(cast(Hashable, cls))
    values = {name: record[name] for name in known if name in record}
    for name, back in converters:
        if (value := values.get(name)) is not None:
            values[name] = back(value)
    return cls(**values)


@cache
def _shape(cls: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], list[tuple[str, Convert]]]:
    """Field names, what reads them all at once, and the fields that are not written as they are. Every event has two or more."""
    hints, names = get_type_hints(cls), tuple(field.name for field in dataclasses.fields(cls))
    converters = [(name, out) for name in names if (out := _out(hints[name])) is not None]
    return names, attrgetter(*names), converters


@cache
def _incoming(cls: Any) -> tuple[tuple[str, ...], list[tuple[str, Convert]]]:
    """Field names, and the fields that are not kept as they are read."""
    hints, names = get_type_hints(cls), tuple(field.name for field in dataclasses.fields(cls))
    return names, [(name, back) for name in names if (back := _back(hints[name])) is not None]


def _optional(hint: Any) -> Any:
    """The X of `X | None`, else None."""
    if get_origin(hint) in (Union, types.UnionType):
        (inner,) = [arg for arg in get_args(hint) if arg is not type(None)]
        return inner
    return None


def _out(hint: Any) -> Convert | None:
    """How a value that is not None is written; None if as it is."""
    if (inner := _optional(hint)) is not None:
        return _out(inner)
    if get_origin(hint) is tuple:
        convert = _out(get_args(hint)[0])
        return list if convert is None else lambda values: [convert(value) for value in values]
    if dataclasses.is_dataclass(hint):
        return to_record
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value
    if hint is datetime:
        return to_milliseconds
    return None


def _back(hint: Any) -> Convert | None:
    """What makes of a value that is not None what the field holds; None if it stays as it is."""
    if (inner := _optional(hint)) is not None:
        return _back(inner)
    if get_origin(hint) is tuple:
        convert = _back(get_args(hint)[0])
        return tuple if convert is None else lambda values: tuple([convert(value) for value in values])
    if dataclasses.is_dataclass(hint):
        return lambda value: from_record(cast(type[Any], hint), value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return None
