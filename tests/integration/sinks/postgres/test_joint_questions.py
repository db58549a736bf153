"""Joint questions: one round trip for what is asked in the same moment, and nobody gets or suffers what is another's."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import pytest

from infra.runtime.postgres.pool import Connection, Pool, open_pool
from infra.runtime.postgres.tenant import PostgresUnavailable
from sinks.postgres.joint_questions import JointQuestions, Kind
from tests.conftest import MigratedDatabase
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

DEADLINE = 20.0
SAYS = "for_tenant($1), LATERAL (SELECT current_setting('app.current_tenant_id') AS tenant, {}::text AS word) said"
WHOSE = Kind.of(SAYS, id="tenant", title="word")
WHOSE_TOO = Kind.of(SAYS, id="tenant", title="word")
DOWN = Kind.of("generate_series({}::integer, 1, -1) AS n WHERE $1::text <> ''", number="n")
DIVIDED = Kind.of("(SELECT 1 / {}::integer AS n WHERE $1::text <> '') divided", number="n")
SLOW = Kind.of("pg_sleep({}::integer) WHERE $1::text <> ''", id="'slept'")


class Trips:
    """How often a connection was borrowed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, borrow = 0, Pool.borrow

        async def counted(pool: Pool) -> Connection:
            self.count += 1
            return await borrow(pool)

        monkeypatch.setattr(Pool, "borrow", counted)


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> Trips:
    return Trips(monkeypatch)


@pytest.fixture
async def questions(pool_of: PoolOf) -> JointQuestions:
    return JointQuestions(await pool_of("enrich"))


async def test_what_is_asked_in_the_same_moment_is_one_round_trip_and_each_gets_its_own_rows_in_order(
    questions: JointQuestions, tenant: str, trips: Trips
) -> None:
    said, down = await asyncio.gather(questions.ask(WHOSE, tenant, "a"), questions.ask(DOWN, tenant, 3))

    assert [(row["id"], row["title"], row["number"]) for row in said] == [(tenant, "a", None)]
    assert [row["number"] for row in down] == [3, 2, 1]
    assert trips.count == 1


async def test_two_questions_of_a_kind_each_get_their_own_answer(questions: JointQuestions, tenant: str) -> None:
    answers = await asyncio.gather(*(questions.ask(WHOSE, tenant, word) for word in "abc"))

    assert [[row["title"] for row in rows] for rows in answers] == [["a"], ["b"], ["c"]]


async def test_tenants_never_share_a_statement(
    questions: JointQuestions, make_tenant: MakeTenant, trips: Trips
) -> None:
    one, other = await make_tenant(), await make_tenant()
    before = trips.count

    answers = await asyncio.gather(
        questions.ask(WHOSE, one, "a"), questions.ask(WHOSE_TOO, other, "b"), questions.ask(DOWN, one, 1)
    )

    assert [row["id"] for rows in answers[:2] for row in rows] == [one, other]
    assert trips.count - before == 2


async def test_a_question_that_fails_fails_alone(questions: JointQuestions, tenant: str) -> None:
    said, divided, down = await asyncio.gather(
        questions.ask(WHOSE, tenant, "a"),
        questions.ask(DIVIDED, tenant, 0),
        questions.ask(DOWN, tenant, 1),
        return_exceptions=True,
    )

    assert isinstance(divided, asyncpg.DivisionByZeroError)
    assert not isinstance(said, BaseException) and [row["title"] for row in said] == ["a"]
    assert not isinstance(down, BaseException) and [row["number"] for row in down] == [1]


async def test_who_is_cut_off_leaves_the_others_their_answer(questions: JointQuestions, tenant: str) -> None:
    given_up, said = questions.ask(SLOW, tenant, 1), questions.ask(WHOSE, tenant, "a")
    await asyncio.sleep(0)
    given_up.cancel()

    assert [row["title"] for row in await said] == ["a"]


async def test_a_statement_that_nobody_waits_for_any_more_is_ended(postgres: MigratedDatabase, tenant: str) -> None:
    pool = await open_pool(postgres.dsns["enrich"], service="joint", size=1)
    try:
        questions = JointQuestions(pool)
        asked = [questions.ask(SLOW, tenant, 600), questions.ask(WHOSE, tenant, "a")]
        async with asyncio.timeout(DEADLINE):
            while pool.get_idle_size() or not pool.get_size():
                await asyncio.sleep(0.01)
            for each in asked:
                each.cancel()
            with suppress(asyncio.CancelledError):
                await asked[0]

            (row,) = await questions.ask(WHOSE, tenant, "b")  # on the pool's only connection

        assert row["title"] == "b"
    finally:
        await pool.close()


async def test_all_hear_that_postgresql_is_away(postgres: MigratedDatabase, tenant: str) -> None:
    pool = await open_pool(postgres.dsns["enrich"], service="joint", size=1)
    await pool.close()
    questions = JointQuestions(pool)

    answers = await asyncio.gather(
        questions.ask(WHOSE, tenant, "a"), questions.ask(DOWN, tenant, 1), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [PostgresUnavailable] * 2
