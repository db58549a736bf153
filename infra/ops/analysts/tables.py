"""Where rows go: lines of JSON, CSV, or Parquet, each written as the rows come."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Any, BinaryIO, Protocol

from infra.ops.analysts.rows import Column, Kind
from infra.ops.leaving import tables

INSTALL = "install it with: pip install 'ticketstream[parquet]'"
GROUP_ROWS = 1000
"""Rows of a Parquet file that are compressed together, and held in memory until then."""


class NoParquet(Exception):
    """pyarrow isn't installed; the text says how to."""


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Table(Protocol):
    def write(self, row: Sequence[Any]) -> None:
        """A value a column."""


def table(form: Format, stream: BinaryIO, columns: Sequence[Column]) -> AbstractContextManager[Table]:
    """All is written when the context ends; `stream` stays open. Raises NoParquet."""
    if form is Format.PARQUET:
        need_parquet()
        return _parquet(stream, columns)
    return _text(tables.Format(form.value), stream, columns)


def need_parquet() -> None:
    """Raises NoParquet."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise NoParquet(f"Parquet needs pyarrow, which is missing here ({error}): {INSTALL}") from None


@contextmanager
def _text(form: tables.Format, stream: BinaryIO, columns: Sequence[Column]) -> Iterator[Table]:
    text = io.TextIOWrapper(stream, encoding=form.encoding, errors="backslashreplace", newline="")
    try:
        yield form.table(text, [column.name for column in columns])
        text.flush()
    finally:
        text.detach()


class _Groups:
    """Collects rows and writes them group by group."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer, self._schema = writer, schema
        self._rows: list[Sequence[Any]] = []

    def write(self, row: Sequence[Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        import pyarrow

        if self._rows:
            arrays = [
                pyarrow.array(values, field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows = []


@contextmanager
def _parquet(stream: BinaryIO, columns: Sequence[Column]) -> Iterator[Table]:
    import pyarrow
    from pyarrow import parquet

    cited = [("number", pyarrow.int64()), *((name, pyarrow.string()) for name in ("source", "id", "title", "link"))]
    types = {
        Kind.TEXT: pyarrow.string(),
        Kind.WHOLE: pyarrow.int64(),
        Kind.REAL: pyarrow.float64(),
        Kind.TIME: pyarrow.timestamp("ms", "UTC"),
        Kind.TEXTS: pyarrow.list_(pyarrow.string()),
        Kind.CITED: pyarrow.list_(pyarrow.struct(cited)),
    }
    schema = pyarrow.schema([pyarrow.field(column.name, types[column.kind]) for column in columns])
    with parquet.ParquetWriter(pyarrow.PythonFile(stream, "w"), schema, compression="zstd") as writer:
        groups = _Groups(writer, schema)
        yield groups
        groups.flush()
