"""Keeping the lease on an input while its answer is being written, until the answer is safely stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.telemetry.logs import get_logger
from processors.synthesize.answer import Answer
from processors.synthesize.ports import AnswerStore
from schemas.events import TicketEnriched

RENEW_SECONDS = 5.0
STORE_SECONDS = 300.0
FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 2.0

log = get_logger(__name__)


@asynccontextmanager
async def kept(
    answers: AnswerStore, event: TicketEnriched, owner: str, *, every: float = RENEW_SECONDS
) -> AsyncIterator[None]:
    """Renews the lease every few seconds until the block ends.

    A renewal that fails doesn't end the block: the answer is worth more than the lease, and the first answer stored wins."""
    renewing = asyncio.create_task(_renew(answers, event, owner, every))
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing


async def _renew(answers: AnswerStore, event: TicketEnriched, owner: str, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            ours = await answers.renew(event.tenant_id, event.event_id, owner)
        except Exception as error:
            log.warning("Lease not renewed", tenant_id=event.tenant_id, event_id=event.event_id, error=repr(error))
            continue
        if not ours:
            log.warning("Lease lost to another worker", tenant_id=event.tenant_id, event_id=event.event_id)


async def store_persistently(
    answers: AnswerStore, event: TicketEnriched, owner: str, answer: Answer, *, patience: float = STORE_SECONDS
) -> Answer:
    """Store the answer, with it what wrote it, and return the one that is kept: `answer` itself if it is. While PostgreSQL is away
    it is tried again for 5 minutes, since giving up means to pay for the same call twice; then the store's error is raised."""
    delay, text, following = FIRST_RETRY_SECONDS, answer.to_json(), answer.following(event)
    while True:
        try:
            stored = await answers.store(event.tenant_id, event.event_id, owner, text, following)
        except UNAVAILABLE as error:
            patience -= delay
            if patience < 0:
                raise
            log.warning("Answer not stored yet", event_id=event.event_id, retry_after=delay, error=repr(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_RETRY_SECONDS)
        else:
            return answer if stored == text else Answer.from_json(stored)
