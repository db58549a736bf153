"""What the console's pages show of many tenants, each reached as that tenant, in one round trip; and of one tenant's feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from schemas import ids
from sinks.postgres.audit_entries import Wanted
from sinks.postgres.webhook_refusals import Refusal

_FIGURES = "SELECT * FROM tenants_figures($1)"
_AUDITED = "SELECT * FROM tenants_audited($1, $2, $3, $4, $5, $6, $7) ORDER BY at DESC, audit_id DESC LIMIT $7"
_REFUSED = "SELECT * FROM tenants_refused($1, $2) ORDER BY at DESC LIMIT $3"
_RECENT = """
SELECT r.ticket_id, r.kind, r.recorded_at AS at, coalesce(e.status, r.outcome, 'pending') AS status,
    coalesce(e.reason, r.reason) AS reason
FROM received_events r LEFT JOIN LATERAL (
    SELECT status, reason FROM enhancements
    WHERE tenant_id = r.tenant_id AND ticket_id = r.ticket_id ORDER BY updated_at DESC LIMIT 1) e ON true
WHERE r.tenant_id = $1 ORDER BY r.recorded_at DESC LIMIT $2
"""
_FEEDBACK = """
SELECT f.ticket_id, f.feedback_type, f.rating, f.comment, f.minutes_saved, f.submitted_at, e.event_id, e.enhancement_id,
    e.writer, e.model
FROM enhancement_feedback f LEFT JOIN LATERAL (
    SELECT event_id, enhancement_id, writer, model FROM enhancements
    WHERE tenant_id = f.tenant_id AND ticket_id = f.ticket_id AND enhancement_id IS NOT NULL
      AND (enhancement_id = f.enhancement_id OR f.enhancement_id IS NULL AND posted_at <= f.submitted_at)
    ORDER BY posted_at DESC NULLS LAST LIMIT 1) e ON true
WHERE f.tenant_id = $1 AND f.counts AND ($2::text IS NULL OR f.ticket_id = $2)
  AND (NOT $3::boolean OR f.rating < 3 OR f.feedback_type = 'thumbs_down')
ORDER BY f.submitted_at DESC, f.feedback_id DESC LIMIT $4 OFFSET $5
"""
_ANSWERS = "SELECT input_id, answer FROM synthesized_answers WHERE tenant_id = $1 AND input_id = ANY($2::uuid[])"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one tenant: enhancements that ended within 24 hours and p95 seconds from webhook to note of these, webhooks of the last
    hour and the time of the last one within 24 hours, the average rating of the last 30 days."""

    succeeded: int
    failed: int
    p95: float | None
    rating: float | None
    ratings: int
    tickets: int
    last_at: datetime | None

    @property
    def success(self) -> float | None:
        """None where nothing ended."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None


@dataclass(frozen=True, slots=True)
class RecentTicket:
    """A webhook that was taken, and what became of its ticket's newest content."""

    ticket_id: str
    kind: str
    at: datetime
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """Feedback that counts. `answer` is the stored text of the note that it is about (see `processors.synthesize.answer`); None
    where that isn't kept any more."""

    ticket_id: str
    feedback_type: str
    rating: int | None
    comment: str | None
    minutes_saved: int | None
    submitted_at: datetime
    writer: str | None
    model: str | None
    answer: str | None


class ConsoleReading:
    """Under the console's role. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def figures(self, tenants: Sequence[str]) -> dict[str, Figures]:
        """By tenant."""
        async with connection(self._pool) as connected:
            rows = await connected.fetch(_FIGURES, list(tenants))
        return {row["tenant_id"]: Figures(*list(row.values())[1:]) for row in rows}

    async def audited(self, tenants: Sequence[str], wanted: Wanted, limit: int, skip: int = 0) -> list[dict[str, Any]]:
        """The newest entries of all these tenants together, newest first."""
        given = (wanted.since, wanted.until, wanted.who, wanted.operation, wanted.text)
        async with connection(self._pool) as connected:
            rows = await connected.fetch(_AUDITED, list(tenants), *given, limit + skip)
        return [dict(row) for row in rows[skip:]]

    async def refused(self, tenants: Sequence[str], limit: int) -> list[tuple[str, Refusal]]:
        """The newest refusals of all these tenants together with whose they are."""
        async with connection(self._pool) as connected:
            rows = await connected.fetch(_REFUSED, list(tenants), limit, limit)
        return [(row["tenant_id"], Refusal(*list(row.values())[1:])) for row in rows]

    async def recent(self, tenant_id: str, limit: int) -> list[RecentTicket]:
        """The last webhooks, newest first."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            return [RecentTicket(**row) for row in await connected.fetch(_RECENT, tenant_id, limit)]

    async def feedback(
        self, tenant_id: str, *, ticket_id: str | None = None, weak: bool = False, limit: int = 50, skip: int = 0
    ) -> list[Answered]:
        """Newest first, each with the note that it is about. `weak` are only those below 3, and thumbs down."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            rows = await connected.fetch(_FEEDBACK, tenant_id, ticket_id, weak, limit, skip)
            asked = {str(row["enhancement_id"]): _input_of(row["event_id"]) for row in rows if row["event_id"]}
            answers = await connected.fetch(_ANSWERS, tenant_id, [UUID(one) for one in set(asked.values())])
        stored = {str(row["input_id"]): row["answer"] for row in answers}
        return [_answered(row, stored) for row in rows]


def _input_of(event_id: UUID) -> str:
    """The event under whose id the answer to a received event is stored."""
    return ids.of_output(str(event_id), "enrich")


def _answered(row: Any, stored: dict[str, str]) -> Answered:
    """A note that isn't certainly the one that was rated isn't put beside the rating: a replay may have taken over the row."""
    input_id = _input_of(row["event_id"]) if row["event_id"] else ""
    same = input_id and ids.derive(input_id, "enhancement") == str(row["enhancement_id"])
    names = ("ticket_id", "feedback_type", "rating", "comment", "minutes_saved", "submitted_at", "writer", "model")
    return Answered(**{name: row[name] for name in names}, answer=stored.get(input_id) if same else None)
