"""What technicians said of certain notes, added up note by note: for whoever shows a note with its feedback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction

MOST_COMMENTS = 100
"""Of one note."""

# An answer that a tool gave names the ticket and may leave out the note: it is of the last one that the ticket had by then.
_OF_NOTES = """
WITH answers AS (
    SELECT f.*, coalesce(f.enhancement_id, (
        SELECT e.enhancement_id FROM enhancements e
        WHERE e.tenant_id = f.tenant_id AND e.ticket_id = f.ticket_id AND e.status = 'success' AND e.posted_at <= f.submitted_at
        ORDER BY e.posted_at DESC LIMIT 1)) AS about
    FROM enhancement_feedback f
    WHERE f.tenant_id = $1 AND f.counts AND f.ticket_id = ANY($2::text[])
)
SELECT about, count(*) AS answers, count(*) FILTER (WHERE feedback_type = 'thumbs_up') AS thumbs_up,
    count(*) FILTER (WHERE feedback_type = 'thumbs_down') AS thumbs_down, count(rating) AS ratings,
    avg(rating)::double precision AS average_rating, sum(minutes_saved)::bigint AS minutes_saved,
    count(minutes_saved) AS minutes_saved_answers, max(submitted_at) AS last_at,
    CASE WHEN $4 THEN
        (array_agg(comment ORDER BY submitted_at DESC, feedback_id) FILTER (WHERE comment <> ''))[1:$5] END AS comments
FROM answers WHERE about = ANY($3::uuid[]) GROUP BY about
"""


@dataclass(frozen=True, slots=True)
class NoteFeedback:
    """Of one note: the answers that count. `average_rating` and `minutes_saved` (a sum) are None where nobody gave any. `comments`,
    the newest first and at most 100, only where they were asked for."""

    answers: int
    thumbs_up: int
    thumbs_down: int
    ratings: int
    average_rating: float | None
    minutes_saved: int | None
    minutes_saved_answers: int
    last_at: datetime
    comments: tuple[str, ...] = ()


async def feedback_of_notes(
    pool: Pool, tenant_id: str, notes: Iterable[tuple[str, str]], *, comments: bool = False
) -> Mapping[str, NoteFeedback]:
    """By enhancement id, those that have any. `notes` are pairs of ticket id and enhancement id, not more than fit into memory.
    Raises PostgresUnavailable."""
    pairs = list(notes)
    tickets, enhancements = sorted({ticket for ticket, _ in pairs}), [UUID(one) for _, one in pairs]
    async with tenant_transaction(pool, tenant_id) as connection:
        rows = await connection.fetch(_OF_NOTES, tenant_id, tickets, enhancements, comments, MOST_COMMENTS)
    return {
        str(row["about"]): NoteFeedback(
            **{name: row[name] for name in NoteFeedback.__slots__ if name != "comments"},
            comments=tuple(row["comments"] or ()),
        )
        for row in rows
    }
