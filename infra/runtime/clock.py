"""Time as a value that can be passed in."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, in whole milliseconds, which is what events keep."""


class SystemClock:
    def now(self) -> datetime:
        return from_milliseconds(time.time_ns() // 1_000_000)


def from_milliseconds(since_1970: int) -> datetime:
    """Exact, as a float of seconds wouldn't be. Raises OverflowError beyond the year 9999."""
    return _EPOCH + timedelta(milliseconds=since_1970)
