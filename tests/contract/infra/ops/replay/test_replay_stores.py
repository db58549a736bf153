"""The promises of RunStore and LetterStore, kept by the fakes and by PostgreSQL alike."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from infra.ops.replay.fakes import FakeLetters, FakeRuns
from infra.ops.replay.letter_plan import LetterStore
from infra.ops.replay.ports import RunStore
from infra.runtime.postgres.pool import open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.topics import Stage
from sinks.postgres.replay_runs import Progress, ReplayRun, ReplayRuns
from sinks.postgres.replayed_letters import ReplayedLetters

SINCE, UNTIL = datetime(2026, 1, 31, 9, 0, tzinfo=UTC), datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
Audited = list[tuple[str, str, str, str | None]]


@dataclass(frozen=True)
class Subject:
    """The stores, a tenant that they know, and what the audit log has: operation, who, reason, new value."""

    runs: RunStore
    letters: LetterStore
    tenant: str
    audit: Callable[[], Awaitable[Audited]]


@pytest.fixture(params=["fake", "postgres"])
def database(request: pytest.FixtureRequest) -> Any:
    """The real database, or None for the fakes. Not async: pytest can't start an async fixture from within another."""
    return request.getfixturevalue("postgres") if request.param == "postgres" else None


@pytest.fixture
async def subject(database: Any) -> AsyncIterator[Subject]:
    tenant = f"replays-{uuid4().hex[:12]}"
    if database is None:
        runs = FakeRuns()

        async def kept() -> Audited:
            return [(one.operation, one.who, one.reason, one.new_value) for one in runs.audit]

        yield Subject(runs, FakeLetters(), tenant, kept)
        return
    owner = await asyncpg.connect(database.dsn)
    await owner.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
        tenant,
        random.randint(1_000_000, 2_000_000_000),
    )
    await owner.close()
    pool = await open_pool(database.dsns["operator"], service="operator", size=2)

    async def read() -> Audited:
        async with tenant_transaction(pool, tenant) as connection:
            rows = await connection.fetch("SELECT operation, who, reason, new_value FROM audit_log ORDER BY audit_id")
        return [tuple(row) for row in rows]

    yield Subject(ReplayRuns(pool), ReplayedLetters(pool), tenant, read)
    await pool.close()


def run_of(tenant: str) -> ReplayRun:
    return ReplayRun(
        tenant_id=tenant,
        run_id=str(uuid4()),
        stage=Stage.DELIVER,
        to=Stage.ENRICH,
        since=SINCE,
        until=UNTIL,
        ticket_id="T-1",
        again=True,
        rate=2.5,
        who="somebody",
        reason="the desk was down",
        window=(3, 9),
        source=(0, 70),
        progress=Progress(0),
    )


async def test_a_run_is_found_as_it_was_begun_and_its_progress_as_it_was_saved(subject: Subject) -> None:
    run = run_of(subject.tenant)
    await subject.runs.start(run)
    assert await subject.runs.load(subject.tenant, run.run_id) == run

    progress = Progress(40, selected=30, replayed=20, answered=7, skipped={"bad_signature": 3})
    await subject.runs.save(run, progress)
    assert await subject.runs.load(subject.tenant, run.run_id) == replace(run, progress=progress)


async def test_a_run_that_is_not_there_or_another_tenants_is_not_found(subject: Subject) -> None:
    run = run_of(subject.tenant)
    await subject.runs.start(run)
    assert await subject.runs.load(subject.tenant, str(uuid4())) is None
    assert await subject.runs.load("another", run.run_id) is None


async def test_begin_going_on_and_end_are_audited_the_end_once_with_its_counts(subject: Subject) -> None:
    run, ended = run_of(subject.tenant), Progress(70, 5, 3, 1, {"tenant_disabled": 1})
    await subject.runs.start(run)
    await subject.runs.resume(run, "another")
    for _ in range(2):
        await subject.runs.finish(run, ended, "another")

    assert await subject.audit() == [
        ("replay start", "somebody", run.reason, None),
        ("replay resume", "another", run.reason, None),
        (
            "replay end",
            "another",
            run.reason,
            "selected 5, replayed 3, answered already 1, skipped 1 (tenant_disabled 1)",
        ),
    ]
    assert await subject.runs.load(subject.tenant, run.run_id) == replace(run, progress=ended, done=True)


async def test_a_letter_is_claimed_once_unless_again(subject: Subject) -> None:
    letters, tenant, letter = subject.letters, subject.tenant, str(uuid4())
    first, second = str(uuid4()), str(uuid4())
    assert await letters.last(tenant, [letter]) == {}

    assert await letters.claim(tenant, letter, first, "somebody", again=False) == first
    await letters.done(tenant, letter, first)
    assert await letters.claim(tenant, letter, second, "somebody", again=False) is None
    assert await letters.claim(tenant, letter, second, "another", again=True) == second
    await letters.done(tenant, letter, second)

    last = (await letters.last(tenant, [letter, str(uuid4())]))[letter]
    assert (last.run_id, last.who) == (second, "another") and last.replayed_at is not None


async def test_what_was_not_seen_to_its_end_goes_on_under_its_own_run(subject: Subject) -> None:
    letters, tenant, letter, first = subject.letters, subject.tenant, str(uuid4()), str(uuid4())
    await letters.claim(tenant, letter, first, "somebody", again=False)
    assert (await letters.last(tenant, [letter]))[letter].replayed_at is None

    for again in (False, True):
        assert await letters.claim(tenant, letter, str(uuid4()), "another", again=again) == first
    await letters.done(tenant, letter, first)
    assert await letters.claim(tenant, letter, str(uuid4()), "another", again=False) is None
