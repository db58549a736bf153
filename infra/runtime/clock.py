"""Time as a value that can be passed in."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

from schemas.times import from_milliseconds


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, in whole milliseconds, which is what events keep."""


class SystemClock:
    def now(self) -> datetime:
        return from_milliseconds(time.time_ns() // 1_000_000)
