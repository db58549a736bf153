"""Figures of planted weeks, and what was said of notes, as PostgreSQL adds them up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from infra.runtime.postgres.pool import Pool, open_pool
from schemas import ids
from sinks.postgres.failures import failed_enhancements
from sinks.postgres.note_feedback import feedback_of_notes
from sinks.postgres.period_figures import Period, PeriodFigures
from tests.conftest import MigratedDatabase

MONDAY = datetime(2026, 11, 9, tzinfo=UTC)
WEEKS = [Period(MONDAY + timedelta(days=7 * number), MONDAY + timedelta(days=7 * (number + 1))) for number in range(3)]


class Planted:
    """A tenant's rows, put in place by the superuser, read under the operator's role."""

    def __init__(self, connection: asyncpg.Connection[Any], pool: Pool, tenant_id: str) -> None:
        self._connection, self.pool, self.tenant_id = connection, pool, tenant_id

    async def note(
        self, ticket_id: str, at: datetime, status: str = "success", seconds: float = 10.0, **more: Any
    ) -> UUID:
        """An enhancement whose ticket came then; its enhancement id, the one that follows from its event."""
        event_id = uuid4()
        enhancement_id = UUID(ids.derive(ids.of_output(str(event_id), "enrich"), "enhancement"))
        done = at + timedelta(seconds=seconds)
        values = {
            "tenant_id": self.tenant_id, "ticket_id": ticket_id, "content_hash": str(event_id), "status": status,
            "event_id": event_id, "enhancement_id": enhancement_id, "writer": "builtin", "received_at": at, "created_at": at,
            "updated_at": done, "posted_at": done if status == "success" else None,
        }  # fmt: skip
        await self._insert("enhancements", values | more)
        return enhancement_id

    async def said(self, ticket_id: str, at: datetime, enhancement_id: UUID | None = None, **more: Any) -> None:
        kind = "rating" if "rating" in more else "thumbs_up"
        values = {"tenant_id": self.tenant_id, "feedback_id": uuid4(), "ticket_id": ticket_id, "submitted_at": at}
        await self._insert(
            "enhancement_feedback", values | {"enhancement_id": enhancement_id, "feedback_type": kind} | more
        )

    async def _insert(self, table: str, values: dict[str, Any]) -> None:
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        statement = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})"  # noqa: S608 - names of our own
        await self._connection.execute(statement, *values.values())


@pytest.fixture
async def planted(postgres: MigratedDatabase) -> AsyncIterator[Planted]:
    pool = await open_pool(postgres.dsns["operator"], service="operator", size=2)
    connection = await asyncpg.connect(postgres.dsn)
    tenant_id = f"figures-{uuid4().hex[:8]}"
    for name, partition in (
        (tenant_id, uuid4().int % 1_000_000 + 2_000_000),
        (f"{tenant_id}-b", uuid4().int % 1_000_000 + 4_000_000),
    ):
        await connection.execute(
            "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
            name, partition,
        )  # fmt: skip
    another = Planted(connection, pool, f"{tenant_id}-b")
    await another.note("1", MONDAY, "failed")
    await another.said("1", MONDAY, rating=1, comment="not theirs")
    yield Planted(connection, pool, tenant_id)
    await connection.close()
    await pool.close()


async def test_each_week_has_its_own_figures_and_an_empty_one_none(planted: Planted) -> None:
    for number in range(19):
        await planted.note(str(number), MONDAY, seconds=10.0)
    await planted.note("19", MONDAY + timedelta(days=7, milliseconds=-1), "failed", reason="desk_refused")
    await planted.note("20", MONDAY + timedelta(days=1), "dropped")
    await planted.note("21", MONDAY + timedelta(days=14), seconds=30.0, degraded="model_unavailable")

    first, empty, last = await PeriodFigures(planted.pool, planted.tenant_id).enhancements(WEEKS)

    assert (first.succeeded, first.failed, first.dropped, first.success, first.p95_seconds) == (19, 1, 1, 0.95, 10.0)
    assert (empty.succeeded, empty.failed, empty.success, empty.p95_seconds) == (0, 0, None, None)
    assert (last.succeeded, last.degraded, last.p50_seconds) == (1, 1, 30.0)
    assert await PeriodFigures(planted.pool, planted.tenant_id).failures(WEEKS[0]) == {"desk_refused": 1}


async def test_feedback_counts_in_the_week_in_which_it_was_given(planted: Planted) -> None:
    await planted.said("1", MONDAY, rating=4, minutes_saved=15, comment="good")
    await planted.said("1", MONDAY, rating=2)
    await planted.said("2", MONDAY + timedelta(days=8))
    await planted.said("2", MONDAY + timedelta(days=8), counts=False, feedback_type="thumbs_down")

    first, second, none = await PeriodFigures(planted.pool, planted.tenant_id).feedback(WEEKS)

    assert (first.answers, first.average_rating, first.minutes_saved, first.comments) == (2, 3.0, 15, 1)
    assert (second.thumbs_up, second.thumbs_down, second.thumbs_up_share) == (1, 0, 1.0)
    assert (none.answers, none.average_rating, none.minutes_saved, none.thumbs_up_share) == (0, None, None, None)


async def test_the_worst_notes_come_first_and_good_ones_not_at_all(planted: Planted) -> None:
    notes = {name: await planted.note(name, MONDAY) for name in ("bad", "worse", "good", "disliked")}
    at = MONDAY + timedelta(days=1)
    await planted.said("bad", at, notes["bad"], rating=3)
    await planted.said("worse", at, rating=1, comment="wrong site")
    await planted.said("good", at, notes["good"], rating=4)
    await planted.said("disliked", at, notes["disliked"], feedback_type="thumbs_down")

    found = await PeriodFigures(planted.pool, planted.tenant_id).worst_notes(WEEKS[0], 10)

    assert [one.ticket_id for one in found] == ["worse", "bad", "disliked"]
    assert (found[0].average_rating, found[0].comments, found[0].writer) == (1.0, ("wrong site",), "builtin")
    assert all(one.input_id for one in found)
    assert len(await PeriodFigures(planted.pool, planted.tenant_id).worst_notes(WEEKS[0], 1)) == 1


async def test_an_answer_without_a_note_is_of_the_last_note_that_the_ticket_had_by_then(planted: Planted) -> None:
    first = await planted.note("1", MONDAY)
    second = await planted.note("1", MONDAY + timedelta(hours=2))
    await planted.said("1", MONDAY + timedelta(hours=1), rating=2)
    await planted.said("1", MONDAY + timedelta(hours=3), rating=5, comment="better")
    await planted.said("1", MONDAY + timedelta(hours=4), second, rating=4, comment="still")

    asked = [("1", str(first)), ("1", str(second)), ("9", str(uuid4()))]
    found = await feedback_of_notes(planted.pool, planted.tenant_id, asked, comments=True)
    without = await feedback_of_notes(planted.pool, planted.tenant_id, asked)

    assert {one: said.average_rating for one, said in found.items()} == {str(first): 2.0, str(second): 4.5}
    assert found[str(second)].comments == ("still", "better")
    assert without[str(second)].comments == ()


async def test_failures_are_told_in_the_order_in_which_they_happened(planted: Planted) -> None:
    for number in (3, 1, 2):
        await planted.note(str(number), MONDAY + timedelta(hours=number), "failed", reason="desk_refused")
    await planted.note("4", MONDAY, "success")

    since = MONDAY + timedelta(hours=2)
    all_of_them = [one.ticket_id async for one in failed_enhancements(planted.pool, planted.tenant_id)]
    later = [one.ticket_id async for one in failed_enhancements(planted.pool, planted.tenant_id, since)]

    assert (all_of_them, later) == (["1", "2", "3"], ["2", "3"])
