"""Who tries tokens: a source that shows too many wrong ones has to wait, longer each time. In memory, of one process, bounded.

A token can't be guessed (256 random bits), so this is against the load, and for whoever looks at the log. A tool whose token this
process knows to be good is never made to wait for what others do behind the same address; `BearerTokens` sees to that.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
FIRST_WAIT = 30.0
LONGEST_WAIT = 900.0
FORGET_SECONDS = 3600.0
MOST_SOURCES = 10_000


@dataclass(slots=True)
class _Tries:
    since: float
    count: int = 0
    waits: int = 0
    until: float = 0.0


class Guessing:
    """At most `tries` wrong tokens a minute, then 30 s without, then twice as long each time it happens again, at most 15 min. An
    hour without a wrong one is forgiven. Of more than 10,000 sources those that were quiet longest are forgotten."""

    def __init__(
        self, tries: int, *, monotonic: Callable[[], float] = time.monotonic, most: int = MOST_SOURCES
    ) -> None:
        self._tries, self._monotonic, self._most = tries, monotonic, most
        self._sources: OrderedDict[str, _Tries] = OrderedDict()

    def wait(self, source: str) -> float:
        """Seconds that the source has to wait; 0.0 where it may go on."""
        found = self._sources.get(source)
        return max(0.0, found.until - self._monotonic()) if found else 0.0

    def wrong(self, source: str) -> float:
        """One wrong token. Seconds that the source has to wait from now on, where this one was one too many, else 0.0."""
        now = self._monotonic()
        found = self._of(source, now)
        if now - found.since > WINDOW_SECONDS:
            found.waits = 0 if now - max(found.since, found.until) > FORGET_SECONDS else found.waits
            found.since, found.count = now, 0
        found.count += 1
        if found.count < self._tries or found.until > now:
            return 0.0
        wait = min(LONGEST_WAIT, FIRST_WAIT * float(2**found.waits))
        found.until, found.waits = now + wait, min(found.waits + 1, 10)
        found.since, found.count = now, 0
        return wait

    def _of(self, source: str, now: float) -> _Tries:
        found = self._sources.setdefault(source, _Tries(now))
        self._sources.move_to_end(source)
        while len(self._sources) > self._most:
            self._sources.popitem(last=False)
        return found
