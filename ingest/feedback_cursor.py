"""Cursors of the feedback API: where the next page goes on. Opaque to callers, bound to tenant and filters.

Not signed: a cursor is a place in the order, what it may show is decided by the token and the filters anew. One that was changed,
cut, or made for other filters is refused, so that nobody gets pages of two different lists as one.
"""

from __future__ import annotations

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from ingest.answers import Refused, wrong_field
from ingest.ports import FeedbackQuery, Position

_FORM = struct.Struct(">q16s8s")
_TEXT = re.compile(r"[A-Za-z0-9_-]{43}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def cursor_of(place: Position, tenant_id: str, query: FeedbackQuery) -> str:
    """43 characters that stand in a URL as they are."""
    packed = _FORM.pack(
        (place.submitted_at - _EPOCH) // _MICROSECOND, place.feedback_id.bytes, _check(place, tenant_id, query)
    )
    return urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def position_of(cursor: str, tenant_id: str, query: FeedbackQuery) -> Position:
    """Refuses with 422 what is no cursor of this tenant and these filters."""
    try:
        if not _TEXT.fullmatch(cursor):
            raise ValueError("not of this form")
        since_epoch, feedback_id, check = _FORM.unpack(urlsafe_b64decode(cursor + "="))
        place = Position(_EPOCH + since_epoch * _MICROSECOND, UUID(bytes=feedback_id))
    except (ValueError, OverflowError, struct.error):
        raise _refused() from None
    if check != _check(place, tenant_id, query) or cursor != cursor_of(place, tenant_id, query):
        raise _refused()
    return place


def _check(place: Position, tenant_id: str, query: FeedbackQuery) -> bytes:
    asked = (tenant_id, query.ticket_id, query.start, query.end, place.submitted_at, place.feedback_id)
    return sha256("\0".join(str(part) for part in asked).encode()).digest()[:8]


def _refused() -> Refused:
    return wrong_field("cursor", "cursor: take next_cursor of the page before, with the same filters")
