"""Which dead letters were replayed, when and by which run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction


@dataclass(frozen=True, slots=True)
class LetterReplay:
    """The last replay of a letter. `replayed_at` is None for one that was begun and not seen to its end."""

    letter_id: str
    run_id: str
    who: str
    replayed_at: datetime | None


_LAST = """
SELECT DISTINCT ON (letter_id) letter_id::text AS letter_id, run_id::text AS run_id, who, replayed_at FROM replayed_letters
WHERE tenant_id = $1 AND letter_id = ANY($2::uuid[]) ORDER BY letter_id, (replayed_at IS NULL) DESC, claimed_at DESC
"""
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 10))"
_CLAIM = (
    "INSERT INTO replayed_letters (tenant_id, letter_id, run_id, who) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)
_DONE = """
UPDATE replayed_letters SET replayed_at = coalesce(replayed_at, now()) WHERE tenant_id = $1 AND letter_id = $2 AND run_id = $3
"""


class ReplayedLetters:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def last(self, tenant_id: str, letter_ids: Sequence[str]) -> dict[str, LetterReplay]:
        """The last replay of each of these letters that has one, an unfinished one before all others."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(_LAST, tenant_id, [UUID(letter_id) for letter_id in letter_ids])
        return {row["letter_id"]: LetterReplay(**row) for row in rows}

    async def claim(self, tenant_id: str, letter_id: str, run_id: str, who: str, *, again: bool) -> str | None:
        """Under which run the letter is to be replayed now: an earlier one's that was not seen to its end, so that what it may have
        published gets the same id, or else this one's. None if the letter was replayed already, unless `again`."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_ALONE, tenant_id, letter_id)
            row = await connection.fetchrow(_LAST, tenant_id, [UUID(letter_id)])
            if row is not None and row["replayed_at"] is None:
                return str(row["run_id"])
            if row is not None and not again:
                return None
            await connection.execute(_CLAIM, tenant_id, UUID(letter_id), UUID(run_id), who)
            return run_id

    async def done(self, tenant_id: str, letter_id: str, run_id: str) -> None:
        """Kafka has the event. May be said again."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_DONE, tenant_id, UUID(letter_id), UUID(run_id))
