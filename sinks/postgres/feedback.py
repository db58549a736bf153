"""Feedback and what it amounts to. An aggregate is stored with the answer that led to it, so a redelivery emits the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from schemas import ids
from schemas.events import FeedbackAggregated, FeedbackSubmitted, FeedbackType
from schemas.feedback_arithmetic import MOST_RESPONDENTS, RECENT, Answer, aggregated

MAX_PAGE = 500

_STORE = """
INSERT INTO enhancement_feedback (tenant_id, feedback_id, ticket_id, enhancement_id, feedback_type, rating, comment, submitted_by,
    minutes_saved, respondent, submitted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (tenant_id, feedback_id) DO NOTHING
"""
_LAST_ANSWER_COUNTS = """
UPDATE enhancement_feedback AS f SET counts = (f.feedback_id = (
    SELECT feedback_id FROM enhancement_feedback WHERE tenant_id = $1 AND enhancement_id = $2 AND respondent = $3
    ORDER BY submitted_at DESC, feedback_id LIMIT 1))
WHERE f.tenant_id = $1 AND f.enhancement_id = $2 AND f.respondent = $3
"""
_ONLY_SO_MANY_COUNT = """
UPDATE enhancement_feedback SET counts = false WHERE tenant_id = $1 AND feedback_id = $4 AND (
    SELECT count(DISTINCT respondent) FROM enhancement_feedback
    WHERE tenant_id = $1 AND enhancement_id = $2 AND respondent IS NOT NULL AND respondent <> $3 AND counts) >= $5
"""
_AGGREGATE = """
INSERT INTO feedback_aggregates (tenant_id, input_id, ticket_id, total, ratings, thumbs_up, thumbs_down, average_rating,
    recent_average, trend, minutes_saved_total, minutes_saved_count, aggregated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
_PAGE = """
SELECT feedback_id, ticket_id, rating, feedback_type, comment, submitted_at FROM enhancement_feedback
WHERE tenant_id = $1 AND counts AND ($2::text IS NULL OR ticket_id = $2)
    AND ($3::timestamptz IS NULL OR submitted_at >= $3) AND ($4::timestamptz IS NULL OR submitted_at < $4)
    AND ($6::timestamptz IS NULL OR (submitted_at, feedback_id) < ($6, $7::uuid))
ORDER BY submitted_at DESC, feedback_id DESC LIMIT $5
"""
_RECENT = """
SELECT rating FROM enhancement_feedback
WHERE tenant_id = $1 AND counts AND rating IS NOT NULL AND submitted_at >= $2 ORDER BY submitted_at DESC LIMIT $3
"""
_STATS = """
SELECT count(*) AS total, avg(rating) AS average_rating, count(*) FILTER (WHERE feedback_type = 'thumbs_up') AS thumbs_up,
    count(*) FILTER (WHERE feedback_type = 'thumbs_down') AS thumbs_down
FROM enhancement_feedback
WHERE tenant_id = $1 AND counts AND ($2::text IS NULL OR ticket_id = $2)
    AND ($3::timestamptz IS NULL OR submitted_at >= $3) AND ($4::timestamptz IS NULL OR submitted_at < $4)
"""


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """Of one tenant; `start` inclusive, `end` exclusive, both UTC."""

    tenant_id: str
    ticket_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    ticket_id: str
    rating: int | None
    feedback_type: str
    comment: str | None
    submitted_at: datetime
    feedback_id: UUID


@dataclass(frozen=True, slots=True)
class FeedbackStats:
    total: int
    average_rating: float | None
    thumbs_up: int
    thumbs_down: int


class Feedback:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, clock: Clock | None = None) -> None:
        self._pool, self._clock = pool, clock or SystemClock()

    async def store(self, event: FeedbackSubmitted) -> FeedbackAggregated:
        """Keep the answer; the tenant's aggregate after it, the same however often it is asked."""
        async with tenant_transaction(self._pool, event.tenant_id) as connection:
            if earlier := await self._earlier(connection, event):
                return earlier
            await self._keep(connection, event)
            aggregate = await self._aggregate(connection, event)
            await connection.execute(_AGGREGATE, *_columns(aggregate))
            return aggregate

    async def recent_ratings(self, tenant_id: str, since: datetime) -> Sequence[int]:
        """Those of the last 10 ratings that were given at `since` or later, of the answers that count."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            return [row["rating"] for row in await connection.fetch(_RECENT, tenant_id, since, RECENT)]

    async def list(
        self, wanted: FeedbackFilter, *, limit: int = 100, after: tuple[datetime, UUID] | None = None
    ) -> list[FeedbackRow]:
        """Newest first, at most 501: a page and whether there is a next. Those behind `after`, an answer's time and id."""
        async with tenant_transaction(self._pool, wanted.tenant_id) as connection:
            rows = await connection.fetch(
                _PAGE, *_arguments(wanted), min(limit, MAX_PAGE + 1), *(after or (None, None))
            )
        return [FeedbackRow(**row) for row in rows]

    async def stats(self, wanted: FeedbackFilter) -> FeedbackStats:
        async with tenant_transaction(self._pool, wanted.tenant_id) as connection:
            row = await connection.fetchrow(_STATS, *_arguments(wanted))
        assert row is not None  # noqa: S101 — an aggregate has one row
        average = None if row["average_rating"] is None else round(float(row["average_rating"]), 4)
        return FeedbackStats(row["total"], average, row["thumbs_up"], row["thumbs_down"])

    async def _earlier(self, connection: Connection, event: FeedbackSubmitted) -> FeedbackAggregated | None:
        # One tenant's answers are aggregated one after the other, also while two workers believe that they own them.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", event.tenant_id)
        row = await connection.fetchrow(
            "SELECT * FROM feedback_aggregates WHERE tenant_id = $1 AND input_id = $2", event.tenant_id, event.event_id
        )
        return _aggregated(row) if row else None

    async def _keep(self, connection: Connection, event: FeedbackSubmitted) -> None:
        await connection.execute(
            _STORE, event.tenant_id, event.event_id, event.ticket_id, event.enhancement_id, event.feedback_type.value, event.rating,
            event.comment, event.submitted_by, event.minutes_saved, event.respondent, event.submitted_at,
        )  # fmt: skip
        if event.respondent and event.enhancement_id:
            of_browser = (event.tenant_id, event.enhancement_id, event.respondent)
            await connection.execute(_LAST_ANSWER_COUNTS, *of_browser)
            await connection.execute(_ONLY_SO_MANY_COUNT, *of_browser, event.event_id, MOST_RESPONDENTS)

    async def _aggregate(self, connection: Connection, event: FeedbackSubmitted) -> FeedbackAggregated:
        rows = await connection.fetch(
            "SELECT feedback_type, submitted_at, rating, minutes_saved FROM enhancement_feedback WHERE tenant_id = $1 AND counts",
            event.tenant_id,
        )
        answers = [
            Answer(FeedbackType(r["feedback_type"]), r["submitted_at"], r["rating"], r["minutes_saved"]) for r in rows
        ]
        return aggregated(event, answers, self._clock.now())


def _arguments(wanted: FeedbackFilter) -> tuple[str, str | None, datetime | None, datetime | None]:
    return wanted.tenant_id, wanted.ticket_id, wanted.start, wanted.end


def _columns(a: FeedbackAggregated) -> tuple[object, ...]:
    return (
        a.tenant_id, a.input_id, a.ticket_id, a.total, a.ratings, a.thumbs_up, a.thumbs_down, a.average_rating, a.recent_average,
        a.trend, a.minutes_saved_total, a.minutes_saved_count, a.aggregated_at,
    )  # fmt: skip


def _aggregated(row: asyncpg.Record) -> FeedbackAggregated:
    values = {name: value for name, value in row.items() if name != "input_id"}
    input_id = str(row["input_id"])
    return FeedbackAggregated(event_id=ids.of_output(input_id, "feedback_aggregate"), input_id=input_id, **values)
