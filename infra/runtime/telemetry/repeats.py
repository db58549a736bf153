"""Says what a library repeats once in a while: while Kafka is away its clients write the same four lines twenty times a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

SECONDS = 10.0
MOST_KEPT = 500

_Said = tuple[str, int, str]


class SeldomRepeated(logging.Filter):
    """Lets a line of the same logger, level and text pass once in `SECONDS`; the next one says how many it stands for. A line that
    differs in anything passes. Forgets all when it would have to keep more than `MOST_KEPT` texts."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._lock = threading.Lock()  # aiokafka's consumer logs from a thread of its own
        self._last: dict[_Said, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said, now = (record.name, record.levelno, _text(record)), self._now()
        with self._lock:
            at, left_out = self._last.get(said, (-SECONDS, 0))
            if now - at < SECONDS:
                self._last[said] = at, left_out + 1
                return False
            if len(self._last) >= MOST_KEPT:
                self._last.clear()
            self._last[said] = now, 0
        if left_out:
            record.msg, record.args = f"{said[2]} ({left_out} times more in {now - at:.0f} s)", None
        return True


def _text(record: logging.LogRecord) -> str:
    """Raises nothing: a library's mistake in its format is not what a log line must fail at."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)
