"""What a stage's worker says with each commit: how many events it finished beyond it, and how many it works on."""

from __future__ import annotations

import re
from functools import lru_cache

_METADATA = re.compile(rb"^ahead=(\d{1,9})(?: running=(\d{1,9}))?")


@lru_cache(maxsize=4096)
def told(metadata: bytes) -> tuple[int, int | None]:
    """What a stage says with a commit: how many are done beyond it, and how many run. Ends in a NUL, see the stream's consumer."""
    found = _METADATA.match(metadata)
    if not found:
        return 0, None
    return int(found[1]), None if found[2] is None else int(found[2])
