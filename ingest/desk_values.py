"""The forms in which desks write the same thing: a name or an object with one, milliseconds or ISO text, HTML or text.

Each is a function from what JSON held, None for nothing, to what an event holds. A form that nobody could mean raises ValueError;
an unreadable date becomes None, since no webhook is worth losing for one. Plain functions, not a model with validators: these
run for every webhook, and the model took twice their time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from ingest.html_text import cut_to_bytes, to_text
from ingest.json_text import storable

MAX_SUBJECT = 1000
MAX_NAME = 500
MAX_RESOLUTION_BYTES = 32 * 1024

_TICKET_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MILLISECONDS = re.compile(r"[0-9]{1,15}")
_LATEST_MS = 253_402_300_799_000


def ticket_id(value: Any) -> str:
    """A number or a text of `[A-Za-z0-9._-]{1,64}`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _TICKET_ID.fullmatch(text):
        raise ValueError("must be 1-64 characters of A-Z a-z 0-9 . _ -")
    return text


def subject(value: Any) -> str:
    """Text, which must be there."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return storable(value[:MAX_SUBJECT]).strip()


def raw_text(value: Any) -> str:
    """A longer text as the desk wrote it, maybe HTML; `description` makes it presentable."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


def name(value: Any) -> str | None:
    """`"High"`, `{"id": "4", "name": "High"}`, or a number that stands for itself; None for nothing."""
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
    raise ValueError('must be text or an object with a "name"')


def time(value: Any) -> datetime | None:
    """ServiceDesk Plus's `{"value": "<ms since 1970>"}`, the same without the object, or ISO 8601 (UTC if it doesn't say)."""
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
    raise ValueError('must be milliseconds since 1970, an ISO 8601 time, or an object with such a "value"')


def resolution(value: Any) -> str | None:
    """`{"content": "<html>"}` or the text itself, as plain text cut at 32 KiB."""
    if isinstance(value, dict):
        value = value.get("content")
    if value is None:
        return None
    text, _ = cut_to_bytes(storable(to_text(raw_text(value))[0]), MAX_RESOLUTION_BYTES)
    return text or None


def additional_fields(value: Any) -> dict[str, Any]:
    """ServiceDesk Plus's `udf_fields`, whose names and meaning are the desk's own."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def _from_milliseconds(value: float) -> datetime | None:
    if not 0 < value <= _LATEST_MS:
        return None  # the desk writes -1 for "never"
    value = int(value)
    return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)


def _from_iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text[:64])
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at.replace(microsecond=at.microsecond // 1000 * 1000) if at.year >= 1970 else None
