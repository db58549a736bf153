"""The promises of AnswerStore, kept by the fake and by PostgreSQL alike."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from infra.runtime.postgres.pool import open_pool
from processors.synthesize.fakes import FakeAnswerStore
from processors.synthesize.ports import AnswerStore
from sinks.postgres.answers import Answers, Busy, Ours, Stored
from tests.unit.processors.synthesize.examples import ManualClock

INPUT = str(uuid4())
TICKET = "52101"


@dataclass(frozen=True)
class Subject:
    """A store, a tenant that it knows, a way to let 16 s pass, and one to let its ticket say something."""

    store: AnswerStore
    tenant: str
    later: Callable[[], Awaitable[None]]
    says: Callable[[str], Awaitable[None]]


@pytest.fixture(params=["fake", "postgres"])
def database(request: pytest.FixtureRequest) -> Any:
    """The real database, or None for the fake. Not async: pytest can't start an async fixture from within another."""
    return request.getfixturevalue("postgres") if request.param == "postgres" else None


@pytest.fixture
async def subject(database: Any) -> AsyncIterator[Subject]:
    tenant = f"answers-{uuid4().hex[:12]}"
    if database is None:
        clock = ManualClock()

        async def pass_time() -> None:
            clock.advance(16)

        fake = FakeAnswerStore(clock)

        async def say(content: str) -> None:
            fake.newest[tenant, TICKET] = content

        yield Subject(fake, tenant, pass_time, say)
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

    pool = await open_pool(database.dsns["synthesize"], service="synthesize", size=2)
    yield Subject(Answers(pool), tenant, age_leases, newest)
    await pool.close()
    for table in ("synthesis_leases", "synthesized_answers", "tickets", "tenant_configs"):
        await owner.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant)  # noqa: S608
    await owner.close()


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
