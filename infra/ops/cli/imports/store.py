"""Writes what was imported: a file's rows in one transaction of the tenant's, or none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from infra.ops.cli.imports.history import SolvedTicket
from infra.ops.cli.imports.inventory import Device
from infra.ops.cli.imports.knowledge import Article
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from schemas.events import Requester, Ticket
from sinks.postgres import audit_log
from sinks.postgres.audit_log import Change
from sinks.postgres.search_terms import exact_tokens
from sinks.postgres.tickets import Kept, keep

_ARTICLE = """
INSERT INTO knowledge_articles (tenant_id, article_id, title, body, link, exact_tokens, keywords)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, article_id) DO UPDATE SET title = excluded.title, body = excluded.body, link = excluded.link,
    exact_tokens = excluded.exact_tokens, keywords = excluded.keywords, updated_at = now()
"""
_DEVICE = """
INSERT INTO inventory (tenant_id, item_id, kind, name, lo, hi, details) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, item_id) DO UPDATE SET kind = excluded.kind, name = excluded.name, lo = excluded.lo, hi = excluded.hi,
    details = excluded.details, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows were written, and how many of them had no predecessor of the same id."""

    written: int
    new: int


class DataStore:
    """One tenant's data. `who` and `role` are for the audit log. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, tenant_id: str, who: str, role: str = "") -> None:
        self._pool, self._tenant_id, self._change = pool, tenant_id, Change(who, role=role)

    async def articles(self, rows: Sequence[Article]) -> Imported:
        """Replaces articles of the same id. Topic and keywords are searched, but are no part of the body."""
        values = [
            (
                self._tenant_id,
                row.article_id,
                row.title,
                row.body,
                row.link,
                exact_tokens(f"{row.title}\n{row.body}"),
                _keywords(row),
            )
            for row in rows
        ]
        async with tenant_transaction(self._pool, self._tenant_id) as connection:
            before = await self._count(connection, "knowledge_articles")
            await connection.executemany(_ARTICLE, values)
            return await self._done(connection, "knowledge import", "knowledge_articles", len(rows), before)

    async def devices(self, rows: Sequence[Device]) -> Imported:
        """Replaces items of the same id. A network with a prefix is a subnet, a single address a device."""
        async with tenant_transaction(self._pool, self._tenant_id) as connection:
            before = await self._count(connection, "inventory")
            await connection.executemany(_DEVICE, [self._device(row) for row in rows])
            return await self._done(connection, "inventory import", "inventory", len(rows), before)

    async def solved_tickets(self, rows: Sequence[SolvedTicket]) -> Imported:
        """A ticket that a webhook told of is newer than any import and stays as it is."""
        async with tenant_transaction(self._pool, self._tenant_id) as connection:
            before = await self._count(connection, "tickets")
            for row in rows:
                await keep(connection, self._tenant_id, _ticket(row), Kept(solved_at=row.solved_at))
            return await self._done(connection, "history import", "tickets", len(rows), before)

    def _device(self, row: Device) -> tuple[object, ...]:
        network = ip_network(row.address, strict=False)
        single = network.num_addresses == 1
        lo, hi = network.network_address, network[-1]
        return self._tenant_id, row.asset_id, "device" if single else "subnet", row.hostname, lo, hi, _details(row)

    async def _count(self, connection: Connection, table: str) -> int:
        statement = f"SELECT count(*) FROM {table} WHERE tenant_id = $1"  # noqa: S608 — one of three names of ours
        return int(await connection.fetchval(statement, self._tenant_id))

    async def _done(self, connection: Connection, operation: str, table: str, written: int, before: int) -> Imported:
        entry = self._change.entry(self._tenant_id, operation, table, None, f"{written} rows")
        await audit_log.write(connection, entry)
        return Imported(written, await self._count(connection, table) - before)


def _keywords(row: Article) -> str:
    return ", ".join([*([row.topic] if row.topic else []), *row.keywords])


def _details(row: Device) -> str:
    parts = (row.kind, row.address, row.role, row.site, row.end_customer, row.notes)
    return "; ".join(part for part in parts if part)


def _ticket(row: SolvedTicket) -> Ticket:
    known = row.requester_id or row.requester_name or row.requester_email
    return Ticket(
        ticket_id=row.ticket_id,
        subject=row.subject,
        description=row.description,
        requester=Requester(row.requester_id, row.requester_name, row.requester_email) if known else None,
        site=row.site,
        end_customer=row.end_customer,
        category=row.category,
        priority=row.priority,
        status=row.status,
        resolution=row.resolution,
        created_at=row.created_at,
        updated_at=row.solved_at,
    )
