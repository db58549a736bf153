"""The forms in which desks write the same thing: a name or an object with one, milliseconds or ISO text, HTML or text.

Each function reads one field of an object and gives what an event holds; null is as good as nothing. A form that nobody could mean
raises WrongField; an unreadable date becomes None, since no webhook is worth losing for one. Plain functions, not a model with
validators: they run for every webhook, and the model took twice their time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from schemas.ids import is_desk_id
from schemas.times import from_milliseconds
from sinks.servicedesk.html_text import cut_to_bytes, to_text
from sinks.servicedesk.storable_text import storable

Fields = dict[str, Any]

MAX_SUBJECT = 1000
MAX_NAME = 500
MAX_RESOLUTION_BYTES = 32 * 1024

_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_LATEST_MS = 253_402_300_799_000


class WrongField(ValueError):
    """`path` is the field's, as one writes it (`request.requester.name`); `problem` says what it must be."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path, self.problem = path, problem

    def within(self, field: str) -> WrongField:
        """The same, seen from the object that holds this one."""
        return WrongField(f"{field}.{self.path}", self.problem)


def ticket_id(fields: Fields, field: str) -> str:
    """A number or a text of `[A-Za-z0-9._-]{1,64}`."""
    value = fields.get(field)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not is_desk_id(text):
        raise _wrong(fields, field, "must be 1-64 characters of A-Z a-z 0-9 . _ -")
    return text


def subject(fields: Fields, field: str) -> str:
    """Text, which must be there."""
    value = fields.get(field)
    if not isinstance(value, str):
        raise _wrong(fields, field, "must be text")
    return storable(value[:MAX_SUBJECT]).strip()


def raw_text(fields: Fields, field: str) -> str:
    """A longer text as the desk wrote it, maybe HTML."""
    value = fields.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(fields, field, "must be text")
    return value


def name(fields: Fields, field: str) -> str | None:
    """`"High"`, `{"id": "4", "name": "High"}`, or a number that stands for itself; None for nothing."""
    value = fields.get(field)
    if value is None:
        return None
    if isinstance(value, dict):
        value = value.get("name")
    if isinstance(value, str):
        return storable(value[:MAX_NAME]).strip() or None
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:MAX_NAME]
    raise _wrong(fields, field, 'must be text or an object with a "name"')


def time(fields: Fields, field: str) -> datetime | None:
    """ServiceDesk Plus's `{"value": "<ms since 1970>"}`, the same without the object, or ISO 8601 (UTC if it doesn't say)."""
    value = fields.get(field)
    if value is None:
        return None
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, str):
        text = value.strip()
        return _from_milliseconds(int(text)) if _MILLISECONDS.fullmatch(text) else _from_iso(text)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_milliseconds(value)
    raise _wrong(fields, field, 'must be milliseconds since 1970, an ISO 8601 time, or an object with such a "value"')


def resolution(fields: Fields, field: str) -> str | None:
    """`{"content": "<html>"}` or the text itself, as plain text cut at 32 KiB."""
    value = fields.get(field)
    if isinstance(value, dict):
        value = value.get("content")
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong(fields, field, 'must be text or an object with a "content"')
    text, _ = cut_to_bytes(storable(to_text(value)[0]), MAX_RESOLUTION_BYTES)
    return text or None


def additional_fields(fields: Fields, field: str) -> Fields:
    """ServiceDesk Plus's `udf_fields`, whose form, names and meaning are the desk's own: none if it is no object."""
    value = fields.get(field)
    return value if isinstance(value, dict) else {}


def said(fields: Fields) -> str | None:
    """What happened, if the sender says so under `operation` or `event`; other programs' fields of these names mean nothing."""
    for field in ("operation", "event"):
        value = fields.get(field)
        value = value.get("name") if isinstance(value, dict) else value
        if isinstance(value, str) and value:
            return value
    return None


def _wrong(fields: Fields, field: str, problem: str) -> WrongField:
    return WrongField(field, problem if field in fields else "is missing")


def _from_milliseconds(value: float) -> datetime | None:
    if not 0 < value <= _LATEST_MS:
        return None  # the desk writes -1 for "never"
    return from_milliseconds(int(value))


def _from_iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text[:64])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at.replace(microsecond=at.microsecond // 1000 * 1000) if at.year >= 1970 else None
