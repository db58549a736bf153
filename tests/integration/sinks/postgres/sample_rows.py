"""A row of each table for a tenant, written past all policies, so that every table has something that could be seen.

Columns that must not be empty get a value of their type; where a CHECK asks for more, it stands in SPECIAL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from sinks.postgres.roles import RawConnection

_BY_TYPE = {
    "text": "'x' || substr(md5(random()::text), 1, 12)",
    "text[]": "ARRAY['x']",
    "integer": "1",
    "bigint": "1",
    "double precision": "1.0",
    "boolean": "true",
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "now()",
    "interval": "interval '1 second'",
    "inet": "'10.0.0.1'::inet",
    "inet[]": "ARRAY['10.0.0.1'::inet]",
    "bytea": "sha256(random()::text::bytea)",
    "jsonb": "'{}'::jsonb",
    "date": "current_date",
}
SPECIAL = {
    ("tenant_configs", "servicedesk_base_url"): "'https://desk.example'",
    ("tenant_configs", "partition"): "(random() * 1000000000)::integer + 1000000",
    ("inventory", "kind"): "'device'",
    ("lane_holds", "scope"): "'lane'",
    ("lane_breakers", "state"): "'open'",
    ("enhancement_feedback", "feedback_type"): "'thumbs_up'",
    ("replay_runs", "stage"): "'enrich'",
    ("replay_runs", "target_stage"): "'enrich'",
    ("replay_runs", "until"): "now() + interval '1 day'",
    ("tenant_contacts", "kind"): "'technical'",
    ("webhook_refusals", "status"): "403",
    ("audit_seals", "hour"): "date_trunc('hour', now(), 'UTC')",
    ("audit_seals", "signature"): "sha512('x'::bytea)",
    ("desk_access_tokens", "credential_hash"): "encode(sha256('x'), 'hex')",
}
"""Add here what a new table's CHECK asks for: (table, column) -> an SQL expression."""

_COLUMNS = """
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, NULL) AS type, a.attnotnull AND NOT a.atthasdef AS needed
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attgenerated = '' AND a.attidentity = '' ORDER BY c.relname, a.attnum
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """How to make a row of `table`: an expression for each column that needs one."""

    table: str
    values: dict[str, str]

    def insert(self, tenant_id: str, columns: frozenset[str] | None = None) -> str:
        """A statement; `columns` are those that may be written, all if None."""
        given = {"tenant_id": f"'{tenant_id}'"} | {
            name: value for name, value in self.values.items() if name != "tenant_id"
        }
        given = {name: value for name, value in given.items() if columns is None or name in columns}
        return f"INSERT INTO {self.table} ({', '.join(given)}) VALUES ({', '.join(given.values())})"  # noqa: S608


async def samples(superuser: RawConnection) -> dict[str, Sample]:
    """By table, of every table with a tenant."""
    found: dict[str, Sample] = {}
    for column in await superuser.fetch(_COLUMNS):
        sample = found.setdefault(column["table"], Sample(column["table"], {}))
        special = SPECIAL.get((column["table"], column["name"]))
        if special or column["needed"] or column["name"] == "tenant_id":
            sample.values[column["name"]] = special or _BY_TYPE[column["type"]]
    return {table: sample for table, sample in found.items() if "tenant_id" in sample.values}


async def fill(superuser: RawConnection, tenant_id: str) -> None:
    """One row in each table. Needs a superuser: neither policies nor foreign keys are asked."""
    async with superuser.transaction():
        await superuser.execute("SET LOCAL session_replication_role = replica")
        for sample in (await samples(superuser)).values():
            try:
                await superuser.execute(sample.insert(tenant_id))
            except asyncpg.IntegrityConstraintViolationError as error:
                raise AssertionError(f"{sample.table}: say in SPECIAL what its CHECK asks for. {error}") from error
