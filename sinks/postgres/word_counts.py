"""How many of a tenant's documents have a word, remembered for a minute: what a word weighs changes slowly, and counting is half of
what a search costs.

Per process and bounded. A word that no document had may be missed for as long, which is what a tenant allows who allows caching.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

TTL_SECONDS = 60.0
MOST_WORDS = 50_000

Now = Callable[[], float]


class WordCounts:
    """At most about `size` words, those of the least lately asked tenant go first; `now` are monotonic seconds."""

    def __init__(self, *, ttl: float = TTL_SECONDS, size: int = MOST_WORDS, now: Now = time.monotonic) -> None:
        self._ttl, self._size, self._now = ttl, size, now
        self._kept: OrderedDict[tuple[str, str], tuple[float, dict[str, int]]] = OrderedDict()

    def of(self, tenant_id: str, corpus: str) -> dict[str, int]:
        """The tenant's counts in one corpus, to be read and added to; empty again a minute after it was first asked for, so that
        all of them are of the same time."""
        while len(self._kept) > 1 and sum(len(words) for _, words in self._kept.values()) > self._size:
            self._kept.popitem(last=False)
        key, now = (tenant_id, corpus), self._now()
        kept = self._kept.get(key)
        if kept is None or kept[0] <= now or len(kept[1]) > self._size:
            kept = self._kept[key] = (now + self._ttl, {})
        self._kept.move_to_end(key)
        return kept[1]
