"""What this process acknowledged lately: a courtesy to senders that repeat themselves. The real memory is enrich's."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

MOST_REMEMBERED = 20_000
REMEMBERED_SECONDS = 3600.0

Key = tuple[str, bytes]
"""Tenant and webhook-id."""


class Acknowledged(NamedTuple):
    """Kafka has the event of this webhook; `body_hash` tells a copy from another body under the same id."""

    event_id: str
    body_hash: bytes
    at: float


@dataclass(slots=True)
class InFlight:
    """A webhook that is being published."""

    event_id: str
    body_hash: bytes
    outcome: bool | None = None
    copies: asyncio.Future[bool] | None = None

    async def acknowledged(self) -> bool:
        """Whether Kafka acknowledged it, once that is known."""
        if self.outcome is not None:
            return self.outcome
        if self.copies is None:  # few webhooks come twice
            self.copies = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self.copies)

    def finish(self, *, acknowledged: bool) -> None:
        self.outcome = acknowledged
        if self.copies is not None:
            self.copies.set_result(acknowledged)


class RecentWebhooks:
    """Bounded by number and age. `begin` obliges the caller to `finish`, whatever happens in between."""

    def __init__(
        self,
        *,
        most: int = MOST_REMEMBERED,
        seconds: float = REMEMBERED_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._seconds, self._monotonic = most, seconds, monotonic
        self._acknowledged: OrderedDict[Key, Acknowledged] = OrderedDict()
        self._in_flight: dict[Key, InFlight] = {}

    def find(self, key: Key) -> Acknowledged | InFlight | None:
        if (running := self._in_flight.get(key)) is not None:
            return running
        seen = self._acknowledged.get(key)
        if seen is not None and self._monotonic() - seen.at > self._seconds:
            del self._acknowledged[key]
            return None
        return seen

    def begin(self, key: Key, event_id: str, body_hash: bytes) -> InFlight:
        """Nothing may have been found under the key, without an await in between."""
        running = InFlight(event_id, body_hash)
        self._in_flight[key] = running
        return running

    def finish(self, key: Key, *, acknowledged: bool) -> None:
        running = self._in_flight.pop(key)
        if acknowledged:
            self._acknowledged[key] = Acknowledged(running.event_id, running.body_hash, self._monotonic())
            while len(self._acknowledged) > self._most:
                self._acknowledged.popitem(last=False)
        running.finish(acknowledged=acknowledged)

    def __len__(self) -> int:
        return len(self._acknowledged)
