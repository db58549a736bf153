"""The public keys of all services, as a copy that follows the table `service_keys` and outlives PostgreSQL's absence."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.keys.signing import verifies
from infra.runtime.telemetry.logs import get_logger
from schemas.times import rfc3339
from schemas.topics import Topic

log = get_logger(__name__)

POLL_SECONDS = 3.0
MIN_SECONDS_BETWEEN_LOADS = 1.0
CLOCK_SKEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A service's public key. `topics` are unprefixed names that it may sign. `not_after` ends the time in which it signs; what
    it signed before stays valid. `revoked_at` ends everything: the key leaked."""

    key_id: str
    service: str
    topics: tuple[str, ...]
    public_key: bytes
    not_before: datetime
    not_after: datetime | None = None
    revoked_at: datetime | None = None

    def as_json(self, timespec: str = "milliseconds") -> dict[str, Any]:
        """As `GET /keys` shows it: the key in base64, times in RFC 3339."""
        return {
            "key_id": self.key_id,
            "service": self.service,
            "topics": list(self.topics),
            "public_key": b64encode(self.public_key).decode(),
            "not_before": rfc3339(self.not_before, timespec),
            "not_after": rfc3339(self.not_after, timespec) if self.not_after else None,
            "revoked_at": rfc3339(self.revoked_at, timespec) if self.revoked_at else None,
        }

    def may_sign(self, topic: Topic, at: datetime) -> bool:
        if self.revoked_at is not None or topic.value not in self.topics:
            return False
        return self.not_before - CLOCK_SKEW <= at and (self.not_after is None or at <= self.not_after + CLOCK_SKEW)


class KeyVerdict(StrEnum):
    VALID = "valid"
    UNKNOWN_KEY = "unknown_key"
    """Not seen here yet: hold the record and look again."""
    WRONG = "wrong"
    """A bad signature, or by a key that is revoked, outside its time, or not meant for this topic."""


KeyLoader = Callable[[], Awaitable[Sequence[ServiceKey]]]


class KeyDirectory:
    """Keeps its last view when the loader fails. Loads at most once a second, however often it is asked to."""

    def __init__(
        self,
        loader: KeyLoader,
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._loader = loader
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._poll_seconds = poll_seconds
        self._keys: Mapping[str, ServiceKey] = {}
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self.loaded = False

    def find(self, key_id: str) -> ServiceKey | None:
        return self._keys.get(key_id)

    @property
    def keys(self) -> tuple[ServiceKey, ...]:
        return tuple(self._keys.values())

    def verify(
        self, key_id: str, topic: Topic, message: bytes, signature: bytes, *, at: datetime | None = None
    ) -> KeyVerdict:
        """Whether `signature` over `message` is by a key that may sign `topic`. `at` is when the record was written, best the
        broker's append time, which no producer can choose; now if not given."""
        key = self._keys.get(key_id)
        if key is None:
            return KeyVerdict.UNKNOWN_KEY
        if not key.may_sign(topic, at or self._clock.now()):
            return KeyVerdict.WRONG
        return KeyVerdict.VALID if verifies(key.public_key, signature, message) else KeyVerdict.WRONG

    async def refresh(self) -> None:
        """Look at once, unless the last look was less than a second ago. Never raises for a loader that fails."""
        async with self._lock:
            now = self._monotonic()
            if self._tried_at is not None and now - self._tried_at < MIN_SECONDS_BETWEEN_LOADS:
                return
            self._tried_at = now
            try:
                keys = await self._loader()
            except Exception as error:  # whatever is wrong with the source, the last view goes on
                log.warning("Signing keys not refreshed, the last view goes on", error=repr(error))
                return
            self._keys = {key.key_id: key for key in keys}
            self.loaded = True

    async def run(self) -> None:
        """Follow the table until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._poll_seconds)
