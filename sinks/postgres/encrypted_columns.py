"""Every column that holds something encrypted with a key ring, and how what is in it moves to the ring's first key.

A stored value is `v1.<key id>.<…>` (see `infra.runtime.keys.rings`). Its nonce is random, so a value tells its row among those of
its tenant, and an update that names the old value never overwrites one that was set meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from infra.runtime.keys.rings import KeyRing, KeyRingError
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, Change

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """`ring` as in TICKETSTREAM_<RING>; `bound_to` is the column's name that ciphertexts are bound to, beside the tenant."""

    table: str
    column: str
    ring: str
    bound_to: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


ENCRYPTED_COLUMNS = (
    EncryptedColumn("webhook_secrets", "secret", "webhook_keys", "webhook_secret"),
    EncryptedColumn("servicedesk_credentials", "credential", "credential_keys", "servicedesk_api_key"),
    EncryptedColumn("desk_access_tokens", "token", "credential_keys", "desk_access_token"),
)
"""A test compares with the live database, where each such column's comment says which ring encrypts it."""


def columns_of(ring: str) -> tuple[EncryptedColumn, ...]:
    return tuple(column for column in ENCRYPTED_COLUMNS if column.ring == ring)


@dataclass(slots=True)
class Moved:
    """How many of a tenant's values have the first key now. `overtaken`: set anew or gone meanwhile, none of ours to move.
    `unreadable`: what the ring doesn't open, each with the reason; these were left as they are."""

    moved: int = 0
    overtaken: int = 0
    unreadable: list[str] = field(default_factory=list)


class EncryptedValues:
    """The values of one ring, a tenant at a time, each under row-level security. Raises PostgresUnavailable when PostgreSQL is
    away."""

    def __init__(self, pool: Pool, columns: Sequence[EncryptedColumn]) -> None:
        self._pool, self._columns = pool, tuple(columns)

    async def by_key(self, tenant_id: str) -> Counter[tuple[str, str]]:
        """How many of the tenant's values are in which column (`table.column`) with which key id."""
        found: Counter[tuple[str, str]] = Counter()
        async with tenant_transaction(self._pool, tenant_id) as connection:
            for its in self._columns:
                rows = await connection.fetch(
                    f"SELECT split_part({its.column}, '.', 2) AS key_id, count(*) AS number FROM {its.table} "  # noqa: S608 - names of our own
                    f"WHERE tenant_id = $1 AND {its.column} IS NOT NULL GROUP BY 1",  # names of ours
                    tenant_id,
                )
                found.update({(str(its), row["key_id"]): row["number"] for row in rows})
        return found

    async def move(self, tenant_id: str, ring: KeyRing, change: Change) -> Moved:
        """The tenant's values to the ring's first key, with an entry in the audit log for each column that had others. A hundred
        a transaction: when this is ended in the middle what is done is done, and the next call goes on with the rest."""
        done = Moved()
        for its in self._columns:
            left: list[str] = []  # values that don't open, not to be met again
            while stored := await self._others(tenant_id, its, ring.key_ids[0], left):
                await self._move(tenant_id, its, _again(stored, tenant_id, its, ring, done, left), change, done)
        return done

    async def _others(self, tenant_id: str, its: EncryptedColumn, key_id: str, left: Sequence[str]) -> list[str]:
        """Up to a hundred values that another key encrypted."""
        statement = (
            f"SELECT {its.column} AS stored FROM {its.table} WHERE tenant_id = $1 AND "  # noqa: S608 — names of ours
            f"split_part({its.column}, '.', 2) <> $2 AND {its.column} <> ALL($3::text[]) LIMIT {AT_ONCE}"
        )
        async with tenant_transaction(self._pool, tenant_id) as connection:
            return [row["stored"] for row in await connection.fetch(statement, tenant_id, key_id, left)]

    async def _move(
        self, tenant_id: str, its: EncryptedColumn, again: Sequence[tuple[str, str]], change: Change, done: Moved
    ) -> None:
        """Each (old, new) pair, only where the old value still stands."""
        if not again:
            return
        statement = f"UPDATE {its.table} SET {its.column} = $3 WHERE tenant_id = $1 AND {its.column} = $2 RETURNING 1"  # noqa: S608 - names of our own
        moved = 0
        async with tenant_transaction(self._pool, tenant_id) as connection:
            for old, new in again:
                moved += await connection.fetchval(statement, tenant_id, old, new) or 0
            if moved:
                keys = f"key {', '.join(sorted({_key_id(old) for old, _ in again}))}", f"key {_key_id(again[0][1])}"
                entry = change.entry(tenant_id, "key rotate", str(its), *(f"{MASKED} {key}" for key in keys))
                await audit_log.write(connection, entry)
        done.moved += moved
        done.overtaken += len(again) - moved


def _again(
    stored: Sequence[str], tenant_id: str, its: EncryptedColumn, ring: KeyRing, done: Moved, left: list[str]
) -> list[tuple[str, str]]:
    """Each value beside the same encrypted with the first key; those that don't open go to `left`."""
    pairs = []
    for old in stored:
        try:
            plain = ring.decrypt(old, tenant_id=tenant_id, column=its.bound_to)
        except KeyRingError as error:
            done.unreadable.append(str(error))
            left.append(old)
            continue
        pairs.append((old, ring.encrypt(plain, tenant_id=tenant_id, column=its.bound_to)))
    return pairs


def _key_id(stored: str) -> str:
    return stored.split(".", 2)[1]
