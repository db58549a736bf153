"""Written answers and the leases under which they are being written: a model is asked once for an input, whoever owns it."""

from __future__ import annotations

from dataclasses import dataclass

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_call
from schemas.events import EnhancementSynthesized
from schemas.reasons import Reason
from sinks.postgres.enhancements import written_by

LEASE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Stored:
    """The input was answered already; `answer` is the text given to `store`."""

    answer: str


@dataclass(frozen=True, slots=True)
class Ours:
    """The caller holds the lease and must write the answer, or release the lease. `newest_hash` is what the ticket says now, as
    far as that is known: what an edit has overtaken needs no answer."""

    newest_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Busy:
    """Another owner holds the lease."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Nothing was stored: the ticket says something else by now, which is noted down."""


Taken = Stored | Ours | Busy

_TAKE = f"SELECT * FROM take_answer($1, $2, $3, $4, interval '{LEASE_SECONDS} seconds')"  # noqa: S608 — a constant of ours
_RENEW = f"SELECT renew_answer_lease($1, $2, $3, interval '{LEASE_SECONDS} seconds')"
_STORE = "SELECT store_answer($1, $2, $3, $4)"
_STORE_WRITTEN = "SELECT store_written_answer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
_KEEP = "SELECT * FROM keep_answer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
_RELEASE = "SELECT release_answer_lease($1, $2, $3)"


class Answers:
    """One answer per tenant and input id, written once. A lease lasts 15 s unless renewed, so a dead worker's inputs come free.

    Time is PostgreSQL's own, since workers' clocks differ. Raises PostgresUnavailable when it is away.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, tenant_id: str, input_id: str, owner: str, ticket_id: str) -> Taken:
        """The stored answer; or the lease, if it was free, run out or already this owner's; or Busy."""
        (row,) = await tenant_call(self._pool, _TAKE, tenant_id, input_id, owner, ticket_id)
        if row["stored"] is not None:
            return Stored(row["stored"])
        return Ours(row["newest_hash"]) if row["is_ours"] else Busy()

    async def renew(self, tenant_id: str, input_id: str, owner: str) -> bool:
        """Whether the lease was still this owner's; if so it lasts another 15 s."""
        rows = await tenant_call(self._pool, _RENEW, tenant_id, input_id, owner)
        return bool(rows[0][0])

    async def store(
        self, tenant_id: str, input_id: str, owner: str, answer: str, written: EnhancementSynthesized | None = None
    ) -> str:
        """Keep the answer and end the lease. Returns the answer that is kept: the first one stored wins, so that two owners
        after a lost lease still send the same. With `written` and in the same transaction, `Enhancements.synthesized` of it, if
        it is this answer that is kept."""
        given = (tenant_id, input_id, owner, answer)
        if written is None:
            rows = await tenant_call(self._pool, _STORE, *given)
        else:
            by = written_by(written)
            rows = await tenant_call(self._pool, _STORE_WRITTEN, *given, written.ticket_id, written.content_hash, *by)
        earlier: str | None = rows[0][0]
        return answer if earlier is None else earlier

    async def keep(self, answer: str, written: EnhancementSynthesized) -> Stored | Overtaken:
        """Store the answer to `written.input_id` without a lease, for what cost nothing. Returns the answer that is kept, as
        `store` with `written` does; or that there is none, since the ticket says something else by now, and notes that down
        as `Enhancements.superseded` does. All in one transaction."""
        where = (written.tenant_id, written.input_id, written.ticket_id, written.content_hash)
        by, reason = written_by(written), Reason.SUPERSEDED.value
        ((earlier, overtaken),) = await tenant_call(self._pool, _KEEP, *where, answer, *by, reason)
        return Overtaken() if overtaken else Stored(answer if earlier is None else earlier)

    async def release(self, tenant_id: str, input_id: str, owner: str) -> None:
        """End this owner's lease without an answer. Nothing happens if it isn't this owner's."""
        await tenant_call(self._pool, _RELEASE, tenant_id, input_id, owner)
