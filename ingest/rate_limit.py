"""A token bucket per tenant, in this process: with N replicas a tenant may send N times its rate before anyone says no."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """Only for tenants that exist, so the number of buckets is theirs; the bound is for what nobody foresaw."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, most: int = MOST_BUCKETS) -> None:
        self._monotonic, self._most = monotonic, most
        self._buckets: dict[str, _Bucket] = {}

    def take(self, tenant_id: str, *, rate_per_second: float, burst: int) -> float:
        """0.0 if the tenant may go on, else the seconds until it may. A changed rate or burst holds from the next call."""
        now = self._monotonic()
        bucket = self._buckets.get(tenant_id)
        if bucket is None:
            bucket = self._new(tenant_id, burst, now)
        bucket.tokens = min(float(burst), bucket.tokens + (now - bucket.at) * rate_per_second)
        bucket.at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / rate_per_second if rate_per_second > 0 else 60.0

    def _new(self, tenant_id: str, burst: int, now: float) -> _Bucket:
        if len(self._buckets) >= self._most:
            del self._buckets[min(self._buckets, key=lambda known: self._buckets[known].at)]
        bucket = self._buckets[tenant_id] = _Bucket(float(burst), now)
        return bucket
