"""Seals of the audit log's hours: written by the sealer alone, read by who verifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from infra.runtime.keys.audit_seal import FIRST, EntriesHash, Seal
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, connection, tenant_call, tenant_transaction
from schemas.times import rfc3339

HOUR = timedelta(hours=1)
AT_A_TIME = 1000
COLUMNS = (
    "tenant_id, audit_id, at, who, role, operation, subject, old_value, new_value, reason, consent, details::text AS details, "
    "database_role"
)
_SEALS = "SELECT tenant_id, hour, entries, entries_hash, previous, sealed_at, key_id, signature FROM audit_seals"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('audit seal ' || $1, 0))"


@dataclass(frozen=True, slots=True)
class Hour:
    """A tenant's entries of one hour as they are now."""

    hour: datetime
    entries: int
    entries_hash: bytes


class AuditSeals:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tenants(self) -> list[str]:
        """Whose entries or seals there are: also of erased tenants, and of the platform."""
        async with connection(self._pool) as connected:
            return [
                row["tenant_id"] for row in await connected.fetch("SELECT tenant_id FROM audited_tenants() ORDER BY 1")
            ]

    async def hours_to_seal(self) -> list[tuple[str, datetime]]:
        """Closed hours with entries that come after their tenant's last seal, at most 10,000, the oldest first."""
        async with connection(self._pool) as connected:
            rows = await connected.fetch("SELECT tenant_id, hour FROM audit_hours_to_seal()")
        return [(row["tenant_id"], row["hour"]) for row in rows]

    async def seal(self, tenant_id: str, hour: datetime, key: SigningKey) -> Seal | None:
        """The new seal; None where another sealer was faster. Hours must be sealed in their order."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            await connected.execute(_LOCK, tenant_id)
            last = await connected.fetchrow(f"{_SEALS} ORDER BY hour DESC LIMIT 1")
            if last is not None and last["hour"] >= hour:
                return None
            previous = FIRST if last is None else Seal(**last).digest
            entries = await _hashed(connected, hour)
            at: datetime = await connected.fetchval("SELECT now()")
            seal = Seal.made(key, (tenant_id, hour), entries, previous, at)
            fields = asdict(seal)
            places = ", ".join(f"${number}" for number in range(1, len(fields) + 1))
            await connected.execute(
                f"INSERT INTO audit_seals ({', '.join(fields)}) VALUES ({places})",  # noqa: S608 - our own names
                *fields.values(),
            )
        return seal

    async def seals(self, tenant_id: str) -> list[Seal]:
        """All there are, the oldest first."""
        async with tenant_transaction(self._pool, tenant_id) as connected:
            return [Seal(**row) for row in await connected.fetch(f"{_SEALS} ORDER BY hour")]

    async def hours(self, tenant_id: str) -> list[Hour]:
        """The tenant's entries by hour, as they are now, the oldest first."""
        found: list[Hour] = []
        async with tenant_transaction(self._pool, tenant_id) as connected:
            begun = await connected.fetch(
                "SELECT DISTINCT date_trunc('hour', at, 'UTC') AS hour FROM audit_log ORDER BY 1"
            )
            for row in begun:
                hashed = await _hashed(connected, row["hour"])
                found.append(Hour(row["hour"], hashed.count, hashed.value))
        return found

    async def drop_old(self, tenant_id: str) -> Sequence[datetime]:
        """Deletes entries of sealed hours that are older than 90 days; the hours, at most 1,000."""
        rows = await tenant_call(self._pool, "SELECT dropped FROM drop_old_audit_hours($1)", tenant_id)
        return [row["dropped"] for row in rows]


async def _hashed(connected: Connection, hour: datetime) -> EntriesHash:
    """Read piece by piece: an hour may hold very many."""
    hashed = EntriesHash()
    rows = connected.cursor(
        f"SELECT {COLUMNS} FROM audit_log WHERE at >= $1 AND at < $2 ORDER BY audit_id",  # noqa: S608 - our own names
        hour,
        hour + HOUR,
        prefetch=AT_A_TIME,
    )
    async for row in rows:
        hashed.add(dict(row))
    return hashed


def hour_named(hour: datetime) -> str:
    return rfc3339(hour, "minutes")
