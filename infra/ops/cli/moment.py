"""A moment as people give it: RFC 3339, or how long ago."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"(\d{1,6})\s*(s|m|h|d)(?:\s+ago)?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType):
    """A click type. The value is in UTC, in whole milliseconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(str(value), datetime.now(UTC))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def moment(text: str, now: datetime) -> datetime:
    """`2026-01-31T09:00:00Z`, or `90m`, `2h`, `3d` before `now`. Raises ValueError that says so."""
    text = text.strip()
    if match := _AGO.fullmatch(text):
        try:
            at = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise ValueError(f"{text!r} is longer ago than there are years: give a time like 2h") from None
    else:
        at = _rfc3339(text).astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _rfc3339(text: str) -> datetime:
    at: datetime | None = None
    with suppress(ValueError):
        at = datetime.fromisoformat(text)
    if at is None or at.tzinfo is None:
        raise ValueError(f"{text!r} is no time: give one with its zone, 2026-01-31T09:00:00Z, or how long ago: 2h, 3d")
    return at
