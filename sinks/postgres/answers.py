"""Written answers and the leases under which they are being written: a model is asked once for an input, whoever owns it."""

from __future__ import annotations

from dataclasses import dataclass

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction

LEASE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Stored:
    """The input was answered already; `answer` is the text given to `store`."""

    answer: str


@dataclass(frozen=True, slots=True)
class Ours:
    """The caller holds the lease and must write the answer, or release the lease."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another owner holds the lease."""


Taken = Stored | Ours | Busy

_TAKE = f"""
INSERT INTO synthesis_leases AS lease (tenant_id, input_id, owner, until)
VALUES ($1, $2, $3, now() + interval '{LEASE_SECONDS} seconds')
ON CONFLICT (tenant_id, input_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
WHERE lease.until < now() OR lease.owner = excluded.owner
RETURNING owner
"""  # noqa: S608 — a constant of ours
_RENEW = f"""
UPDATE synthesis_leases SET until = now() + interval '{LEASE_SECONDS} seconds'
WHERE tenant_id = $1 AND input_id = $2 AND owner = $3 RETURNING owner
"""  # noqa: S608
_ANSWER = "SELECT answer FROM synthesized_answers WHERE tenant_id = $1 AND input_id = $2"
_STORE = """
WITH released AS (DELETE FROM synthesis_leases WHERE tenant_id = $1 AND input_id = $2 AND owner = $4)
INSERT INTO synthesized_answers (tenant_id, input_id, answer, stored_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, input_id) DO NOTHING RETURNING true
"""
_RELEASE = "DELETE FROM synthesis_leases WHERE tenant_id = $1 AND input_id = $2 AND owner = $3"


class Answers:
    """One answer per tenant and input id, written once. A lease lasts 15 s unless renewed, so a dead worker's inputs come free.

    Time is PostgreSQL's own, since workers' clocks differ. Raises PostgresUnavailable when it is away.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, tenant_id: str, input_id: str, owner: str) -> Taken:
        """The stored answer; or the lease, if it was free, run out or already this owner's; or Busy."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            # The lease first: between looking for an answer and taking a lease another owner may have stored and let go.
            ours = await connection.fetchval(_TAKE, tenant_id, input_id, owner) is not None
            answer: str | None = await connection.fetchval(_ANSWER, tenant_id, input_id)
            if answer is None:
                return Ours() if ours else Busy()
            if ours:
                await connection.execute(_RELEASE, tenant_id, input_id, owner)
            return Stored(answer)

    async def renew(self, tenant_id: str, input_id: str, owner: str) -> bool:
        """Whether the lease was still this owner's; if so it lasts another 15 s."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            return await connection.fetchval(_RENEW, tenant_id, input_id, owner) is not None

    async def store(self, tenant_id: str, input_id: str, owner: str, answer: str) -> str:
        """Keep the answer and end the lease. Returns the answer that is kept: the first one stored wins, so that two owners
        after a lost lease still send the same."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            if await connection.fetchval(_STORE, tenant_id, input_id, answer, owner):
                return answer
            kept: str = await connection.fetchval(_ANSWER, tenant_id, input_id)
            return kept

    async def release(self, tenant_id: str, input_id: str, owner: str) -> None:
        """End this owner's lease without an answer. Nothing happens if it isn't this owner's."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await connection.execute(_RELEASE, tenant_id, input_id, owner)
