"""Texts as PostgreSQL takes them: its `text` can't hold NUL, which JSON and Avro can."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def without_nul(value: T) -> T:
    """An argument of a statement: a text, or each text of a list, without NUL; anything else as it is."""
    if isinstance(value, str):
        return value.replace("\0", "")  # type: ignore[return-value]  # a text for a text
    if isinstance(value, list):
        return [without_nul(one) for one in value]  # type: ignore[return-value]
    return value
