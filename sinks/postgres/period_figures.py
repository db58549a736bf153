"""The figures of one tenant over stretches of time: one function a figure, for whoever shows them. Some take any number of periods,
so that a row of weeks is one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from schemas import ids

_PERIODS = "unnest($2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY AS p(since, until, number)"
_ENHANCEMENTS = f"""
SELECT count(e.*) FILTER (WHERE e.status = 'success') AS succeeded, count(e.*) FILTER (WHERE e.status = 'failed') AS failed,
    count(e.*) FILTER (WHERE e.status = 'dropped') AS dropped, count(e.*) FILTER (WHERE e.status = 'pending') AS pending,
    count(e.*) FILTER (WHERE e.status = 'success' AND e.degraded IS NOT NULL) AS degraded,
    sum(e.cost_usd) AS cost_usd,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.posted_at - e.received_at))
        FILTER (WHERE e.status = 'success') AS p50_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e.posted_at - e.received_at))
        FILTER (WHERE e.status = 'success') AS p95_seconds
FROM {_PERIODS}
LEFT JOIN enhancements e ON e.tenant_id = $1 AND e.created_at >= p.since AND e.created_at < p.until
GROUP BY p.number ORDER BY p.number
"""  # noqa: S608 - texts of our own
_FEEDBACK = f"""
SELECT count(f.*) AS answers, count(f.rating) AS ratings, avg(f.rating)::double precision AS average_rating,
    count(*) FILTER (WHERE f.feedback_type = 'thumbs_up') AS thumbs_up,
    count(*) FILTER (WHERE f.feedback_type = 'thumbs_down') AS thumbs_down,
    sum(f.minutes_saved)::bigint AS minutes_saved, count(f.minutes_saved) AS minutes_saved_answers,
    count(*) FILTER (WHERE f.comment <> '') AS comments
FROM {_PERIODS}
LEFT JOIN enhancement_feedback f ON f.tenant_id = $1 AND f.counts AND f.submitted_at >= p.since AND f.submitted_at < p.until
GROUP BY p.number ORDER BY p.number
"""  # noqa: S608 - texts of our own
_FAILURES = """
SELECT coalesce(reason, 'unknown') AS reason, count(*) AS count FROM enhancements
WHERE tenant_id = $1 AND status = 'failed' AND created_at >= $2 AND created_at < $3 GROUP BY 1 ORDER BY 2 DESC, 1
"""
# An answer that a tool gave names the ticket and may leave out the note: it is of the last one that the ticket had by then.
_ANSWERS = """
WITH answers AS (
    SELECT f.ticket_id, f.rating, f.feedback_type, f.comment, f.submitted_at, f.feedback_id, e.event_id, e.enhancement_id, e.writer,
        e.model, e.degraded, e.posted_at, coalesce(f.enhancement_id, e.enhancement_id) AS about, t.category
    FROM enhancement_feedback f
    LEFT JOIN LATERAL (
        SELECT * FROM enhancements e
        WHERE e.tenant_id = f.tenant_id AND e.ticket_id = f.ticket_id AND e.enhancement_id IS NOT NULL
            AND (e.enhancement_id = f.enhancement_id OR f.enhancement_id IS NULL AND e.posted_at <= f.submitted_at)
        ORDER BY e.posted_at DESC NULLS LAST LIMIT 1) e ON true
    LEFT JOIN tickets t ON t.tenant_id = f.tenant_id AND t.ticket_id = f.ticket_id
    WHERE f.tenant_id = $1 AND f.counts AND f.submitted_at >= $2 AND f.submitted_at < $3
)
"""
_WORST = f"""{_ANSWERS}
SELECT ticket_id, about, event_id, enhancement_id, writer, model, degraded, category, posted_at,
    avg(rating)::double precision AS average_rating, count(rating) AS ratings,
    count(*) FILTER (WHERE feedback_type = 'thumbs_up') AS thumbs_up,
    count(*) FILTER (WHERE feedback_type = 'thumbs_down') AS thumbs_down,
    (array_agg(comment ORDER BY submitted_at DESC, feedback_id) FILTER (WHERE comment <> ''))[1:20] AS comments
FROM answers GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
HAVING avg(rating) <= 3
    OR count(*) FILTER (WHERE feedback_type = 'thumbs_down') > count(*) FILTER (WHERE feedback_type = 'thumbs_up')
ORDER BY avg(rating) NULLS LAST, 13 DESC, ticket_id, about LIMIT $4
"""  # noqa: S608 - texts of our own
_COMMENTS = f"""{_ANSWERS}
SELECT ticket_id, category, rating, feedback_type, comment, submitted_at FROM answers WHERE comment <> ''
ORDER BY submitted_at DESC, feedback_id LIMIT $4
"""  # noqa: S608 - texts of our own
_CATEGORIES = f"""{_ANSWERS}
SELECT coalesce(category, '') AS category, count(*) AS answers, count(rating) AS ratings,
    avg(rating)::double precision AS average_rating, count(*) FILTER (WHERE feedback_type = 'thumbs_down') AS thumbs_down
FROM answers GROUP BY 1 ORDER BY avg(rating) NULLS LAST, 2 DESC, 1 LIMIT $4
"""  # noqa: S608 - texts of our own
_TEXTS = "SELECT input_id, answer FROM synthesized_answers WHERE tenant_id = $1 AND input_id = ANY($2::uuid[])"


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` to before `until`, UTC."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class EnhancementFigures:
    """Of enhancements whose ticket came in the period, as they are now. Seconds are from webhook to note, None where there is no
    note; `degraded` of those that succeeded."""

    succeeded: int
    failed: int
    dropped: int
    pending: int
    degraded: int
    cost_usd: float | None
    p50_seconds: float | None
    p95_seconds: float | None

    @property
    def success(self) -> float | None:
        """The share of what ended with a note or failed; None where nothing did."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


@dataclass(frozen=True, slots=True)
class FeedbackFigures:
    """Of the answers that count and were given in the period. None where nobody rated, or said how many minutes (a sum)."""

    answers: int
    ratings: int
    average_rating: float | None
    thumbs_up: int
    thumbs_down: int
    minutes_saved: int | None
    minutes_saved_answers: int
    comments: int

    @property
    def thumbs_up_share(self) -> float | None:
        thumbs = self.thumbs_up + self.thumbs_down
        return self.thumbs_up / thumbs if thumbs else None


@dataclass(frozen=True, slots=True)
class RatedNote:
    """A note with what was said of it in the period. `input_id` is the enriched event that it answers, under whose id its text is
    stored; None where a replay has taken over the row, or nothing is known of the note any more."""

    ticket_id: str
    writer: str | None
    model: str | None
    degraded: str | None
    category: str | None
    posted_at: datetime | None
    average_rating: float | None
    ratings: int
    thumbs_up: int
    thumbs_down: int
    input_id: str | None
    comments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    ticket_id: str
    category: str | None
    rating: int | None
    feedback_type: str
    comment: str
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class CategoryFeedback:
    """`category` is the ticket's at the desk, empty where it has none."""

    category: str
    answers: int
    ratings: int
    average_rating: float | None
    thumbs_down: int


class PeriodFigures:
    """Of one tenant. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, tenant_id: str) -> None:
        self._pool, self._tenant_id = pool, tenant_id

    async def enhancements(self, periods: Sequence[Period]) -> list[EnhancementFigures]:
        """One a period."""
        return [EnhancementFigures(**row) for row in await self._fetch(_ENHANCEMENTS, *_bounds(periods))]

    async def feedback(self, periods: Sequence[Period]) -> list[FeedbackFigures]:
        """One a period."""
        return [FeedbackFigures(**row) for row in await self._fetch(_FEEDBACK, *_bounds(periods))]

    async def failures(self, period: Period) -> dict[str, int]:
        """How many failed for which reason, the most first."""
        rows = await self._fetch(_FAILURES, period.since, period.until)
        return {row["reason"]: row["count"] for row in rows}

    async def worst_notes(self, period: Period, limit: int) -> list[RatedNote]:
        """Rated 3 or lower on average, or with more thumbs down than up; the worst first. Their comments are content."""
        return [_rated(row) for row in await self._fetch(_WORST, period.since, period.until, limit)]

    async def comments(self, period: Period, limit: int) -> list[Comment]:
        """The newest first. Content."""
        return [Comment(**row) for row in await self._fetch(_COMMENTS, period.since, period.until, limit)]

    async def by_category(self, period: Period, limit: int) -> list[CategoryFeedback]:
        """The lowest rated first."""
        return [CategoryFeedback(**row) for row in await self._fetch(_CATEGORIES, period.since, period.until, limit)]

    async def answers(self, input_ids: Sequence[str]) -> dict[str, str]:
        """Stored answers by the id of the event that they answer, as `processors.synthesize.answer` reads them. Content."""
        rows = await self._fetch(_TEXTS, [UUID(one) for one in input_ids])
        return {str(row["input_id"]): row["answer"] for row in rows}

    async def _fetch(self, statement: str, *arguments: object) -> list[dict[str, Any]]:
        async with tenant_transaction(self._pool, self._tenant_id) as connection:
            return [dict(row) for row in await connection.fetch(statement, self._tenant_id, *arguments)]


def _bounds(periods: Sequence[Period]) -> tuple[list[datetime], list[datetime]]:
    return [period.since for period in periods], [period.until for period in periods]


def _rated(row: dict[str, Any]) -> RatedNote:
    """A replay may have taken over the row: then it isn't certain which text was rated."""
    event_id, comments = row.pop("event_id"), tuple(row.pop("comments") or ())
    input_id = ids.of_output(str(event_id), "enrich") if event_id else None
    about, enhancement_id = row.pop("about"), row.pop("enhancement_id")
    same = input_id and about == enhancement_id and ids.derive(input_id, "enhancement") == str(enhancement_id)
    return RatedNote(**row, input_id=input_id if same else None, comments=comments)
