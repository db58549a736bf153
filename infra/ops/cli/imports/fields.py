"""One field of a record, as the value it must be, or a RowError that says what is wrong with it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from infra.ops.cli.imports.records import MAX_RECORDS, BadRow, BadRows, Record

Row = TypeVar("Row")

MAX_SHORT = 500
MAX_LONG_BYTES = 64 * 1024
FIRST_YEAR, LAST_YEAR = 1970, 2200


class RowError(ValueError):
    """This row can't be imported; the text names the field."""


def required(record: Record, name: str, *, longest: int = MAX_SHORT) -> str:
    value = optional(record, name, longest=longest)
    if value is None:
        raise RowError(f"{name} is missing" if name not in record.values else f"{name} is empty")
    return value


def optional(record: Record, name: str, *, longest: int = MAX_SHORT) -> str | None:
    """The text without blanks around it; None where there is none. Numbers are taken as text, since ids often are numbers."""
    value = record.values.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return None
    if not isinstance(value, str):
        raise RowError(f"{name} must be text")
    value = _storable(name, value.strip())
    if len(value) > longest:
        raise RowError(f"{name} has {len(value)} characters, at most {longest} are allowed")
    return value or None


def text(record: Record, name: str) -> str:
    """A long text; at most 64 KiB of UTF-8."""
    value = required(record, name, longest=MAX_LONG_BYTES)
    if len(value.encode()) > MAX_LONG_BYTES:
        raise RowError(f"{name} is longer than {MAX_LONG_BYTES} bytes")
    return value


def words(record: Record, name: str) -> tuple[str, ...]:
    """`a, b, c` or a list of texts."""
    value = record.values.get(name)
    if isinstance(value, list):
        if not all(isinstance(one, str) for one in value):
            raise RowError(f"{name} must be a list of texts")
        parts = [_storable(name, one) for one in value]
    else:
        parts = (optional(record, name, longest=4000) or "").split(",")
    return tuple(part.strip() for part in parts if part.strip())


def time(record: Record, name: str) -> datetime | None:
    """RFC 3339, or without a zone, which then is UTC; from 1970 to 2200."""
    value = optional(record, name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise RowError(f"{name} is not a time such as 2026-05-04T08:12:00Z") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise RowError(f"{name} is in the year {at.year}, it must be from {FIRST_YEAR} to {LAST_YEAR}")
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def network(record: Record, name: str) -> str:
    """An IP address, or a network in CIDR notation; without a zone, which means something on one machine only."""
    value = required(record, name)
    if "%" in value:
        raise RowError(f"{name} {value!r} has a zone; leave out the % and what follows")
    try:
        if "/" in value:
            return str(ipaddress.ip_network(value, strict=True))
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise RowError(f"{name} {value!r} is neither an IP address nor a network such as 10.20.0.0/24") from None


def _storable(name: str, value: str) -> str:
    """The text, if PostgreSQL can hold it."""
    if "\0" in value:
        raise RowError(f"{name} holds a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RowError(f"{name} holds half a surrogate pair, which is no character") from None
    return value


def collect(
    records: Iterable[Record | BadRow], convert: Callable[[Record], Row], identity: Callable[[Row], Any], source: Path
) -> list[Row]:
    """Every record as a row. Raises BadRows with all that is wrong, the same id twice included."""
    rows: list[Row] = []
    bad: list[BadRow] = []
    seen: dict[Any, str] = {}
    for record in records:
        if isinstance(record, BadRow):
            bad.append(record)
            continue
        try:
            row = convert(record)
            where = f"{record.file}:{record.line}"
            if (first := seen.setdefault(identity(row), where)) != where:
                raise RowError(f"id {identity(row)!r} is there twice, first at {first}")
            rows.append(row)
        except RowError as error:
            bad.append(BadRow(record.file, record.line, str(error)))
        if len(rows) > MAX_RECORDS:
            raise BadRows([BadRow(source.name, record.line, f"a file may hold {MAX_RECORDS} rows; split it")])
    if not rows and not bad:
        bad.append(BadRow(source.name, 1, "holds no row"))
    if bad:
        raise BadRows(bad)
    return rows
