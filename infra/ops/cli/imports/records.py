"""Files as records: CSV with a header, JSON lines, or a folder of Markdown with front matter between two `---` lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.ops.cli.failure import Failure, WrongUse

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_RECORDS = 200_000
SHOWN_BAD_ROWS = 20
FENCE = "---"


@dataclass(frozen=True, slots=True)
class Record:
    """Raw values by name, and where they were found."""

    file: str
    line: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """What is wrong with one row, and where: shown as `file:line: what`."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


class BadRows(Failure):
    """Rows that can't be imported; nothing was written."""

    def __init__(self, rows: Sequence[BadRow]) -> None:
        self.rows = tuple(rows)
        more = len(rows) - SHOWN_BAD_ROWS
        told = [str(row) for row in rows[:SHOWN_BAD_ROWS]] + ([f"and {more} more"] if more > 0 else [])
        noun = "row" if len(rows) == 1 else "rows"
        super().__init__(
            "\n".join([*told, f"{len(rows)} bad {noun}, nothing was imported"]), "mend them and import again"
        )


def read_records(path: Path, *, markdown: bool = False) -> Iterator[Record | BadRow]:
    """The records of a file, or of a folder of Markdown files if `markdown` may be. Raises WrongUse for any other form."""
    if path.is_dir():
        if not markdown:
            raise WrongUse(f"{path} is a folder", "give a .csv or .jsonl file")
        files = sorted(path.glob("**/*.md"))
        if not files:
            raise WrongUse(f"{path} holds no .md file", "give the folder whose files are the articles")
        for file in files:
            yield from _markdown(file, str(file.relative_to(path.parent)))
        return
    readers = {".csv": _csv, ".jsonl": _json_lines, ".ndjson": _json_lines}
    if markdown:
        readers[".md"] = _markdown
    reader = readers.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(sorted(readers)) + (" or a folder of .md files" if markdown else "")
        raise WrongUse(f"{path}: form {path.suffix or 'without ending'} is not known", f"give {known}")
    yield from reader(path, path.name)


def _text(path: Path, name: str) -> str | BadRow:
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise Failure(f"{name} has {size} bytes", f"split it into files of at most {MAX_FILE_BYTES} bytes")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return BadRow(name, data.count(b"\n", 0, error.start) + 1, "is not UTF-8; save the file as UTF-8")


def _csv(path: Path, name: str) -> Iterator[Record | BadRow]:
    text = _text(path, name)
    if isinstance(text, BadRow):
        yield text
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                pass  # an empty line says nothing
            elif not header:
                header = [cell.strip().lower() for cell in row]
            elif len(row) != len(header):
                yield BadRow(name, line, f"has {len(row)} columns, the header has {len(header)}")
            else:
                yield Record(name, line, dict(zip(header, row, strict=True)))
            line = reader.line_num + 1
    except csv.Error as error:
        yield BadRow(name, line, f"is not CSV ({error})")


def _json_lines(path: Path, name: str) -> Iterator[Record | BadRow]:
    text = _text(path, name)
    if isinstance(text, BadRow):
        yield text
        return
    # not splitlines(): it also splits at U+2028 and others, which JSON strings may hold
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(name, number, f"is not JSON ({getattr(error, 'msg', 'nested too deeply')})")
            continue
        if isinstance(values, dict):
            yield Record(name, number, values)
        else:
            yield BadRow(name, number, 'is not a JSON object such as {"id": …}')


def _markdown(path: Path, name: str) -> Iterator[Record | BadRow]:
    text = _text(path, name)
    if isinstance(text, BadRow):
        yield text
        return
    lines = text.replace("\r\n", "\n").split("\n")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == FENCE), 0)
    if lines[0].strip() != FENCE or not end:
        yield BadRow(name, 1, "does not begin with front matter between two lines of ---")
        return
    values: dict[str, Any] = {}
    for number, line in enumerate(lines[1:end], 2):
        field, colon, value = line.partition(":")  # at the first colon: titles hold colons too
        if colon:
            values[field.strip().lower()] = value.strip()
        elif line.strip():
            yield BadRow(name, number, "is not of the form name: value")
            return
    yield Record(name, 1, values | {"body": "\n".join(lines[end + 1 :]).strip()})
