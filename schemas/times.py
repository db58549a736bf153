"""Times as events keep them, UTC in whole milliseconds, as numbers and as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_milliseconds(time: datetime) -> int:
    """Since 1970, cut and not rounded, so that no time is written that hasn't come yet. One without a zone is a TypeError."""
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def from_milliseconds(since_1970: int) -> datetime:
    """Exact, as a float of seconds wouldn't be. Raises OverflowError beyond the year 9999."""
    return EPOCH + timedelta(milliseconds=since_1970)


def rfc3339(at: datetime, timespec: str = "milliseconds") -> str:
    """UTC, `2026-01-31T09:00:00.000Z`; `timespec` as in `datetime.isoformat`."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec=timespec)[:-6] + "Z"
