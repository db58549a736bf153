"""The promises of AnswerStore, kept by the fake and by PostgreSQL alike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from infra.runtime.postgres.pool import open_pool
from processors.synthesize.answer import Answer
from processors.synthesize.fakes import FakeAnswerStore
from processors.synthesize.ports import AnswerStore
from processors.synthesize.writer.writer import Written
from schemas.events import EnhancementSynthesized, Writer
from sinks.postgres.answers import Answers, Busy, Ours, Overtaken, Stored
from tests.unit.processors.synthesize.examples import ManualClock, enriched

INPUT = str(uuid4())
TICKET = "52101"
CONTENT = "of the ticket"
WRITTEN = Answer(Written("text\n", (), Writer.BUILTIN), datetime(2026, 3, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Subject:
    """A store, a tenant that it knows, a way to let 16 s pass, one to let its ticket say something, and what is noted down of that
    ticket: the enhancement's id, content and writer, once something wrote it. `overtaken`: the contents of that ticket that are
    noted down as dropped for a newer one."""

    store: AnswerStore
    tenant: str
    later: Callable[[], Awaitable[None]]
    says: Callable[[str], Awaitable[None]]
    noted: Callable[[], Awaitable[list[str]]]
    overtaken: Callable[[], Awaitable[list[str]]]


@pytest.fixture(params=["fake", "postgres"])
def database(request: pytest.FixtureRequest) -> Any:
    """The real database, or None for the fake. Not async: pytest can't start an async fixture from within another."""
    return request.getfixturevalue("postgres") if request.param == "postgres" else None


@pytest.fixture
async def subject(database: Any) -> AsyncIterator[Subject]:
    tenant = f"answers-{uuid4().hex[:12]}"
    if database is None:
        yield _on_the_fake(tenant)
        return
    owner = await asyncpg.connect(database.dsn)
    await owner.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
        tenant,
        random.randint(1_000_000, 2_000_000_000),
    )

    async def age_leases() -> None:
        await owner.execute("UPDATE synthesis_leases SET until = until - interval '16 s' WHERE tenant_id = $1", tenant)

    async def newest(content: str) -> None:
        await owner.execute(
            "INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset)"
            " VALUES ($1, $2, '', '', $3, 1)",
            tenant,
            TICKET,
            content,
        )

    await owner.execute(
        "INSERT INTO enhancements (tenant_id, ticket_id, content_hash, event_id, received_at) VALUES ($1, $2, $3, $4, now())",
        tenant,
        TICKET,
        CONTENT,
        uuid4(),
    )

    async def rows() -> list[str]:
        asked = "SELECT * FROM enhancements WHERE tenant_id = $1 AND synthesized_at IS NOT NULL"
        found = await owner.fetch(asked, tenant)
        return [_line(row["enhancement_id"], row["content_hash"], row["writer"]) for row in found]

    async def dropped() -> list[str]:
        asked = "SELECT content_hash FROM enhancements WHERE tenant_id = $1 AND (status, reason) = ('dropped', 'superseded')"
        return [row["content_hash"] for row in await owner.fetch(asked, tenant)]

    pool = await open_pool(database.dsns["synthesize"], service="synthesize", size=2)
    yield Subject(Answers(pool), tenant, age_leases, newest, rows, dropped)
    await pool.close()
    for table in ("enhancements", "synthesis_leases", "synthesized_answers", "tickets", "tenant_configs"):
        await owner.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant)  # noqa: S608 — tables named above
    await owner.close()


def _on_the_fake(tenant: str) -> Subject:
    clock = ManualClock()

    async def pass_time() -> None:
        clock.advance(16)

    fake = FakeAnswerStore(clock)

    async def say(content: str) -> None:
        fake.newest[tenant, TICKET] = content

    async def written() -> list[str]:
        return [_line(one.enhancement_id, one.content_hash, one.writer) for one in fake.written]

    async def overtaken() -> list[str]:
        return [content for _, _, content in fake.overtaken]

    return Subject(fake, tenant, pass_time, say, written, overtaken)


def _following(subject: Subject) -> EnhancementSynthesized:
    event = WRITTEN.following(enriched())
    return replace(event, tenant_id=subject.tenant, ticket_id=TICKET, content_hash=CONTENT, input_id=INPUT)


def _line(enhancement: object, content: str, writer: str) -> str:
    return f"{enhancement} {content} {writer}"


async def test_a_free_input_is_leased_to_one_owner_only(subject: Subject) -> None:
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Ours()
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Busy()
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Ours()


async def test_a_lease_runs_out_unless_it_is_renewed(subject: Subject) -> None:
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    await subject.later()
    assert await subject.store.renew(subject.tenant, INPUT, "a")
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Busy()
    await subject.later()
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Ours()
    assert not await subject.store.renew(subject.tenant, INPUT, "a")


async def test_a_released_input_is_free_and_only_its_owner_can_release_it(subject: Subject) -> None:
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    await subject.store.release(subject.tenant, INPUT, "b")
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Busy()
    await subject.store.release(subject.tenant, INPUT, "a")
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Ours()


async def test_a_stored_answer_is_given_to_everybody(subject: Subject) -> None:
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    assert await subject.store.store(subject.tenant, INPUT, "a", '{"ä": 1}') == '{"ä": 1}'
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Stored('{"ä": 1}')
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Stored('{"ä": 1}')


async def test_the_first_answer_stored_is_kept_whoever_comes_later(subject: Subject) -> None:
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    await subject.later()
    await subject.store.take(subject.tenant, INPUT, "b", TICKET)
    assert await subject.store.store(subject.tenant, INPUT, "a", "first") == "first"
    assert await subject.store.store(subject.tenant, INPUT, "b", "second") == "first"


async def test_what_wrote_an_answer_is_noted_down_if_that_answer_is_kept(subject: Subject) -> None:
    first, second = (replace(_following(subject), enhancement_id=str(uuid4())) for _ in range(2))
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    assert await subject.store.store(subject.tenant, INPUT, "a", "first", first) == "first"
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Stored("first")
    assert await subject.store.store(subject.tenant, INPUT, "b", "second", second) == "first"
    assert await subject.noted() == [_line(first.enhancement_id, CONTENT, Writer.BUILTIN)]


async def test_nothing_is_noted_down_of_an_answer_without_what_wrote_it(subject: Subject) -> None:
    await subject.store.store(subject.tenant, INPUT, "a", "first")
    assert await subject.noted() == []


async def test_one_inputs_answer_is_not_given_for_another_input(subject: Subject) -> None:
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    await subject.store.store(subject.tenant, INPUT, "a", "secret")
    other = str(uuid4())
    assert await subject.store.take(subject.tenant, other, "a", TICKET) == Ours()


async def test_whoever_is_to_write_learns_what_the_ticket_says_now(subject: Subject) -> None:
    await subject.says("of the edit")
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Ours("of the edit")
    assert await subject.store.take(subject.tenant, INPUT, "b", TICKET) == Busy()
    assert await subject.store.take(subject.tenant, str(uuid4()), "a", "another ticket") == Ours()


async def test_an_answer_without_a_lease_is_kept_for_everybody_and_what_wrote_it_noted_down(subject: Subject) -> None:
    written = _following(subject)
    assert await subject.store.keep('{"ä": 1}', written) == Stored('{"ä": 1}')
    assert await subject.noted() == [_line(written.enhancement_id, CONTENT, Writer.BUILTIN)]
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Stored('{"ä": 1}')


async def test_the_first_answer_stored_is_kept_with_a_lease_or_without(subject: Subject) -> None:
    first, second = (replace(_following(subject), enhancement_id=str(uuid4())) for _ in range(2))
    await subject.store.store(subject.tenant, INPUT, "a", "a model's", first)
    assert await subject.store.keep("for nothing", second) == Stored("a model's")
    assert await subject.noted() == [_line(first.enhancement_id, CONTENT, Writer.BUILTIN)]


async def test_who_holds_a_lease_learns_of_the_answer_that_was_kept_meanwhile(subject: Subject) -> None:
    await subject.store.take(subject.tenant, INPUT, "a", TICKET)
    assert await subject.store.keep("for nothing", _following(subject)) == Stored("for nothing")
    assert await subject.store.renew(subject.tenant, INPUT, "a")
    assert await subject.store.store(subject.tenant, INPUT, "a", "a model's", _following(subject)) == "for nothing"


async def test_of_several_that_keep_an_answer_at_once_all_get_the_same(subject: Subject) -> None:
    kept = await asyncio.gather(*(subject.store.keep(f"answer {n}", _following(subject)) for n in range(4)))
    assert len(set(kept)) == 1


async def test_nothing_is_kept_for_a_ticket_that_says_something_else_by_now(subject: Subject) -> None:
    await subject.says("of the edit")
    assert await subject.store.keep("for nothing", _following(subject)) == Overtaken()
    assert (await subject.noted(), await subject.overtaken()) == ([], [CONTENT])
    assert await subject.store.take(subject.tenant, INPUT, "a", TICKET) == Ours("of the edit")


async def test_what_was_answered_before_the_edit_stays_answered(subject: Subject) -> None:
    await subject.store.keep("before", _following(subject))
    await subject.says("of the edit")
    assert await subject.store.keep("after", _following(subject)) == Stored("before")
    assert await subject.overtaken() == []


async def test_an_answer_is_kept_for_what_the_ticket_says_now(subject: Subject) -> None:
    await subject.says(CONTENT)
    assert await subject.store.keep("for nothing", _following(subject)) == Stored("for nothing")
