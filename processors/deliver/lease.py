"""Keeping a ticket's lease while its note is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from infra.runtime.postgres.availability import UNAVAILABLE
from processors.deliver.ports import LEASE_SECONDS, NoteIntents, NoteKey


@asynccontextmanager
async def kept(
    intents: NoteIntents, key: NoteKey, owner: str, *, every: float = LEASE_SECONDS / 3
) -> AsyncIterator[None]:
    """Renews the lease and gives it back at the end, unless the block is cancelled: what it had sent may still be on its way, so
    the lease is left to run out. A lease that is lost meanwhile stops nothing here: `sent` is what asks."""
    renewing = asyncio.create_task(_renew(intents, key, owner, every))
    cut_off = False
    try:
        yield
    except asyncio.CancelledError:
        cut_off = True
        raise
    finally:
        renewing.cancel()
        if not cut_off:
            with suppress(*UNAVAILABLE):  # the lease runs out by itself; what really happened must not be hidden
                await intents.release(key, owner)


async def _renew(intents: NoteIntents, key: NoteKey, owner: str, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        with suppress(*UNAVAILABLE):
            if not await intents.renew(key, owner):
                return
