"""How many events a second each stage handles of each tenant, over the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from infra.ops.lag.offsets import PartitionLag
from schemas.topics import Stage

SMOOTH_SECONDS = 60.0
LEAST_SECONDS = 10.0
"""Over less than this a rate would be the luck of the moment."""
_Handled = Mapping[Stage, Mapping[int, int]]


class Rates:
    """Fed with each look; bounded, since looks older than a minute are forgotten."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, _Handled]] = deque()

    def look(self, stages: Mapping[Stage, Mapping[int, PartitionLag]], now: float) -> None:
        """`now` is monotonic, in seconds."""
        handled = {stage: {number: at.handled for number, at in found.items()} for stage, found in stages.items()}
        self._looks.append((now, handled))
        while len(self._looks) > 1 and now - self._looks[1][0] >= SMOOTH_SECONDS:
            self._looks.popleft()

    def of(self, stage: Stage) -> dict[int, float]:
        """By partition, without those that were not seen for 10 s."""
        if not self._looks:
            return {}
        now, handled = self._looks[-1]
        last = handled.get(stage, {})
        for at, before in self._looks:
            if now - at < LEAST_SECONDS:
                break
            if first := before.get(stage):
                return {
                    number: max(0, count - first[number]) / (now - at)
                    for number, count in last.items()
                    if number in first
                }
        return {}
