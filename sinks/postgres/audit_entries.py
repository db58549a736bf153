"""Finding what was noted down in the audit log, a tenant at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_seals import COLUMNS


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are meant; what is None doesn't matter. `text` is looked for, in any case of letters, in what was done, to
    what, in the values, the reason and the details."""

    since: datetime | None = None
    until: datetime | None = None
    who: str | None = None
    operation: str | None = None
    text: str | None = None


_FIND = f"""
SELECT {COLUMNS} FROM audit_log
WHERE ($1::timestamptz IS NULL OR at >= $1) AND ($2::timestamptz IS NULL OR at < $2) AND ($3::text IS NULL OR who = $3)
  AND ($4::text IS NULL OR operation = $4 OR operation LIKE $4 || ' %')
  AND ($5::text IS NULL OR position(lower($5) IN lower(concat_ws(' ', operation, subject, old_value, new_value, reason, consent,
       details::text))) > 0)
ORDER BY at DESC, audit_id DESC LIMIT $6
"""  # noqa: S608 - our own names


async def find(pool: Pool, tenant_id: str, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """The newest entries, newest first, as the table has them."""
    async with tenant_transaction(pool, tenant_id) as connected:
        rows = await connected.fetch(
            _FIND, wanted.since, wanted.until, wanted.who, wanted.operation, wanted.text, limit
        )
    return [dict(row) for row in rows]
