"""The lease is kept alive while a note is written, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from infra.runtime.postgres.availability import PostgresUnavailable
from processors.synthesize.answer import Answer
from processors.synthesize.fakes import FakeAnswerStore
from processors.synthesize.lease import kept, store_persistently
from processors.synthesize.writer.writer import Written
from schemas.events import Citation, EnhancementSynthesized, Usage, Writer
from tests.unit.processors.synthesize.examples import TENANT, ManualClock, enriched

ANSWER = Answer(
    Written("täxt\n", (Citation(1, "docs", "KB-1", "t", None),), Writer.MODEL, "m", "p", Usage(1, 2, 0.5), "why"),
    datetime(2026, 11, 2, 9, 0, 0, 123_000, tzinfo=UTC),
)


class Renewals(FakeAnswerStore):
    """Fails the first renewals, and tells when `enough` were asked for."""

    def __init__(self, failures: int, enough: int) -> None:
        super().__init__(ManualClock())
        self.left, self.asked, self.enough, self.done = failures, 0, enough, asyncio.Event()

    async def renew(self, tenant_id: str, input_id: str, owner: str) -> bool:
        self.asked += 1
        if self.asked >= self.enough:
            self.done.set()
        if self.left:
            self.left -= 1
            raise PostgresUnavailable("away")
        return await super().renew(tenant_id, input_id, owner)


async def test_it_goes_on_renewing_after_a_failure_and_after_a_loss_and_ends_with_the_block() -> None:
    answers, event = Renewals(failures=2, enough=5), enriched()
    async with kept(answers, event, "me", every=0.001):
        await asyncio.wait_for(answers.done.wait(), 5)
    asked = answers.asked
    for _ in range(10):
        await asyncio.sleep(0)
    assert answers.asked == asked


async def test_the_block_s_own_error_comes_through() -> None:
    with pytest.raises(KeyError):
        async with kept(Renewals(0, 1), enriched(), "me", every=0.001):
            raise KeyError


async def test_storing_gives_up_in_the_end_with_the_databases_error() -> None:
    class Away(FakeAnswerStore):
        async def store(
            self, tenant_id: str, input_id: str, owner: str, answer: str, written: EnhancementSynthesized | None = None
        ) -> str:
            raise PostgresUnavailable("away")

    with pytest.raises(PostgresUnavailable):
        await store_persistently(Away(ManualClock()), enriched(), "me", ANSWER, patience=0.06)


def test_a_stored_answer_reads_back_as_it_was() -> None:
    assert Answer.from_json(ANSWER.to_json()) == ANSWER


async def test_the_kept_answer_is_returned_whoever_wrote_it() -> None:
    answers, event = FakeAnswerStore(ManualClock()), enriched()
    other = Answer(Written("first\n", (), Writer.BUILTIN), ANSWER.synthesized_at)
    await answers.store(TENANT, event.event_id, "other", other.to_json())
    assert await store_persistently(answers, event, "me", ANSWER) == other
