"""CSV that is opened in a spreadsheet: what strangers wrote in it can't become a formula there.

Numbers and times of ours stay what they are. Any text may come from a ticket's writer: where a cell begins with a formula's sign,
or would begin with one for a reader that takes another character for the separator (Excel's depends on the country), an
apostrophe stands before the sign, and the cell is text. So a text may differ from the original by those apostrophes; JSON is exact.
Source: OWASP, "CSV injection"; RFC 4180.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TextIO

ENCODING: Final = "utf-8-sig"
"""With the mark by which Excel knows UTF-8."""

# Behind each separator, spaces or quotation marks may stand before the sign; the second four signs are what an East Asian keyboard
# writes, which Excel takes for the first.
_BEGINS_FORMULA = re.compile(r"(\A|[,;|\t\r\n\v\f\x85\u2028\u2029])([\s\x00-\x20\"\u200b\ufeff]*)(?=[=+\-@＝＋－＠])")
_BEGINS_BLANK = re.compile(r"\A(?=[\t\r\n])")


class CsvExport:
    """Writes rows below a line with the names of the `columns`. `stream` is a text file opened with `newline=""` and ENCODING."""

    def __init__(self, stream: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        self._columns = len(columns)
        self.write(columns)

    def write(self, row: Sequence[object]) -> None:
        """None is an empty cell; times are RFC 3339; lists and objects JSON. Raises ValueError unless there is a cell a column."""
        if len(row) != self._columns:
            raise ValueError(f"a row of {len(row)} cells under {self._columns} columns")
        self._writer.writerow([_cell(value) for value in row])


def as_text(text: str) -> str:
    """A text of somebody else's as one cell that no spreadsheet takes for a formula."""
    text = text.encode("utf-8", "backslashreplace").decode()  # half of a surrogate pair can't be written
    return _BEGINS_BLANK.sub("'", _BEGINS_FORMULA.sub(r"\1\2'", text))


def _cell(value: object) -> object:
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    if isinstance(value, int | float | Decimal) and math.isfinite(value):
        return value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return as_text(str(value))
