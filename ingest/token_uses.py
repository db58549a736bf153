"""When each tool's token was last used: kept in memory, written every 15 s, best effort, never on a request's path.

Bounded by the number of valid tokens, and to 10,000. While PostgreSQL is away it waits here; what a process hasn't written when it
is killed is lost, which makes a last use look up to half a minute older.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.telemetry.logs import get_logger
from ingest.background_writing import write_every
from ingest.ports import Token
from sinks.postgres.tokens import TokenUse

log = get_logger(__name__)

WRITE_SECONDS = 15.0
ANSWER_SECONDS = 4.0
MOST_WAITING = 10_000


class KeepsTokenUses(Protocol):
    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        """All or none. Raises when the store is away."""


class TokenUses:
    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._waiting: dict[str, TokenUse] = {}

    def note(self, token: Token) -> None:
        """It was used just now."""
        if token.token_id in self._waiting or len(self._waiting) < MOST_WAITING:
            self._waiting[token.token_id] = TokenUse(token.tenant_id, token.token_id, self._clock.now())

    async def write(self, store: KeepsTokenUses) -> bool:
        """What waits, to the store; false, and it waits on, when the store doesn't take it."""
        if not self._waiting:
            return True
        batch, self._waiting = self._waiting, {}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await store.note_uses(list(batch.values()))
        except BaseException as error:
            self._waiting = batch | self._waiting
            if not isinstance(error, Exception):
                raise
            log.debug("Uses of tokens not noted yet", error=f"{type(error).__name__}: {error}")
            return False
        return True

    async def run(self, store: KeepsTokenUses) -> None:
        """Write every 15 s until cancelled, then once more, 1 s at most."""
        await write_every(WRITE_SECONDS, "uses of tokens", lambda: self.write(store))
