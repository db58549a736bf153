"""Rows as lines of a file: JSON lines, exact, or CSV, in which no text can become a spreadsheet's formula."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TextIO

from infra.ops.cli.csv_export import ENCODING, CsvExport
from schemas.times import rfc3339


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"

    @property
    def encoding(self) -> str:
        return ENCODING if self is Format.CSV else "utf-8"

    def table(self, stream: TextIO, columns: Sequence[str]) -> Table:
        return CsvExport(stream, columns) if self is Format.CSV else _Lines(stream, columns)


class Table(Protocol):
    def write(self, row: Sequence[object]) -> None:
        """A value a column."""


class _Lines:
    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self._stream, self._columns = stream, columns

    def write(self, row: Sequence[object]) -> None:
        value = dict(zip(self._columns, row, strict=True))
        self._stream.write(json.dumps(value, ensure_ascii=False, default=plain) + "\n")


def plain(value: Any) -> object:
    """What JSON has no form for: times as RFC 3339, bytes in hex, numbers as they are, all else as its text."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return float(value) if isinstance(value, Decimal) else str(value)
