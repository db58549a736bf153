"""Kubernetes's HorizontalPodAutoscaler for one external metric with an average value, which is what KEDA sets up.

Source: pkg/controller/podautoscaler of Kubernetes 1.35: `GetExternalPerPodMetricReplicas`, `stabilizeRecommendationWithBehaviors`,
`convertDesiredReplicasWithBehaviorRate`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil

TOLERANCE = 0.1
"""The controller's default: a metric that is so near its target changes nothing."""

RATE_SECONDS = 15.0
"""The span of time that the rates below are meant for."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How both scalers may scale. The windows are the customer's: up when more is wanted for 2 min, down when less is wanted for
    10 min. The rates are Kubernetes's defaults: up by 4 workers or to twice as many in 15 s, whichever is more; down at once."""

    minimum: int = 2
    maximum: int = 10
    sync_seconds: float = 15.0
    """At each sync the metric is asked for anew: KEDA's `pollingInterval` matters only between none and one worker, or with
    `useCachedMetrics`."""
    up_seconds: float = 120.0
    down_seconds: float = 600.0
    up_workers: int = 4
    up_factor: int = 2


@dataclass(slots=True)
class Autoscaler:
    behaviour: Behaviour
    _recommended: deque[tuple[float, int]] = field(default_factory=deque)
    _changes: deque[tuple[float, int]] = field(default_factory=deque)

    def sync(self, now: float, *, metric: int, target: int, workers: int) -> int:
        """How many workers there are to be."""
        recommended = self._stabilised(now, wanted(metric, target, workers), workers)
        if recommended > workers:
            recommended = max(workers, min(recommended, self._most(now, workers)))
        chosen = max(self.behaviour.minimum, min(self.behaviour.maximum, recommended))
        if chosen != workers:
            self._changes.append((now, chosen - workers))
        return chosen

    def _stabilised(self, now: float, desired: int, workers: int) -> int:
        """Not above what was wanted all through the window for scaling up, nor below the most in that for scaling down."""
        behaviour, seen = self.behaviour, self._recommended
        if not seen:
            seen.append((now, workers))  # the controller begins with what it finds
        longest = max(behaviour.up_seconds, behaviour.down_seconds)
        while seen and seen[0][0] <= now - longest:
            seen.popleft()
        up = min([desired, *(n for at, n in seen if at > now - behaviour.up_seconds)])
        down = max([desired, *(n for at, n in seen if at > now - behaviour.down_seconds)])
        seen.append((now, desired))
        return min(max(workers, up), down)

    def _most(self, now: float, workers: int) -> int:
        while self._changes and self._changes[0][0] <= now - RATE_SECONDS:
            self._changes.popleft()
        before = workers - sum(n for _, n in self._changes)
        return max(before + self.behaviour.up_workers, before * self.behaviour.up_factor)


def wanted(metric: int, target: int, workers: int) -> int:
    """The workers that the metric asks for, or as many as there are where it is near enough."""
    if abs(1.0 - metric / (target * workers)) <= TOLERANCE:
        return workers
    return ceil(metric / target)
