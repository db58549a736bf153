"""Asks every few minutes, under this process's own role, for rows that it must not see: as nobody, as a tenant that doesn't exist,
and as another tenant. What protects tenants may break long after the tests ran: a policy dropped by hand, a restored dump.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import Gauge

from infra.runtime.postgres.pool import Connection, Pool
from infra.runtime.postgres.tenant import UNAVAILABLE, connection, tenant_transaction
from infra.runtime.telemetry.isolation import Kind, violation
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MOST_ASKED_FOR = 5
"""Tenants whose rows one probe asks for, drawn anew each time."""
RETRY_SECONDS = 30.0
"""After a probe that failed, or that knew of no tenant yet."""
UNKNOWN = "-probe"
"""No tenant's id begins so."""
LAST_PROBE = Gauge(
    "ticketstream_isolation_probe_timestamp_seconds", "When this process last asked for rows that it must not see."
)
_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT a.attisdropped
    AND has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY 1
"""
_FUNCTIONS = """
SELECT name FROM unnest($1::text[]) name
WHERE to_regprocedure(name) IS NOT NULL AND has_function_privilege(to_regprocedure(name), 'EXECUTE')
"""
_SEARCHES = {
    "ticket_lexeme_counts(text[], integer)": "SELECT ltrim(lexeme, '@') FROM ticket_lexeme_counts({marks}, 1) LIMIT 1",
    "article_lexeme_counts(text[], integer)": "SELECT ltrim(lexeme, '@') FROM article_lexeme_counts({marks}, 1) LIMIT 1",
}
"""Functions that see every tenant's rows and must keep to the transaction's: they are asked for the mark of another's documents."""
_MARKS = "(SELECT array_agg('@' || tenant) FROM unnest($1::text[]) tenant)"


class IsolationProber:
    """`tenants` are the ids known to this process. The questions are index look-ups: a probe takes a few milliseconds."""

    def __init__(
        self, pool: Callable[[], Pool], tenants: Callable[[], Collection[str]], *, draw: random.Random | None = None
    ) -> None:
        self._pool, self._tenants, self._draw = pool, tenants, draw or random.Random()

    async def probe(self) -> int:
        """How many tables and functions gave a row away, each of which is reported. Raises what the database raises."""
        known = sorted(self._tenants())
        foreign = self._draw.sample(known, min(len(known), MOST_ASKED_FOR))
        seen: dict[str, tuple[str, str]] = {}
        async with connection(self._pool()) as connected, connected.transaction(readonly=True):
            question = await _question(connected)
            await _look(connected, question, foreign, partial(_note, seen, "nobody"))
        for tenant_id, asked_for in _guises(foreign):
            async with tenant_transaction(self._pool(), tenant_id) as connected:
                await _look(connected, question, asked_for, partial(_note, seen, tenant_id))
        for place, (tenant_id, guise) in seen.items():
            violation(Kind.PROBER, tenant_id, other=guise if guise in known else "", place=place, seen_as=guise)
        LAST_PROBE.set_to_current_time()
        return len(seen)

    async def run(self, every_seconds: float) -> None:
        """For ever. A probe that fails is logged and counts as none: IsolationProbeMissing tells if that goes on."""
        while True:
            done = await self._probed() and bool(self._tenants())
            await asyncio.sleep(every_seconds if done else min(every_seconds, RETRY_SECONDS))

    async def _probed(self) -> bool:
        try:
            await self.probe()
        except UNAVAILABLE as error:
            log.info("Tenant isolation not probed: PostgreSQL is away", error=repr(error))
            return False
        except Exception as error:
            log.error("Tenant isolation not probed", error=repr(error))
            return False
        return True


@asynccontextmanager
async def probing(
    pool: Callable[[], Pool], tenants: Callable[[], Collection[str]], *, every_seconds: float
) -> AsyncIterator[IsolationProber]:
    """While the block lasts this process probes."""
    prober = IsolationProber(pool, tenants)
    running = asyncio.create_task(prober.run(every_seconds))
    try:
        yield prober
    finally:
        running.cancel()


def _guises(foreign: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """As whom to look, and for whose rows."""
    guises: list[tuple[str, Sequence[str]]] = [(UNKNOWN, foreign)]
    return guises if len(foreign) < 2 else [*guises, (foreign[0], foreign[1:])]


def _note(seen: dict[str, tuple[str, str]], guise: str, place: str, tenant_id: str) -> None:
    seen.setdefault(place, (tenant_id, guise))


async def _question(connected: Connection) -> str:
    """One statement for all that this role may read: where a row was seen, and whose it is."""
    parts = [
        f"SELECT '{table}' AS place, (SELECT tenant_id FROM {table} WHERE tenant_id = ANY($1::text[]) LIMIT 1) AS seen"  # noqa: S608 - names of our own
        for (table,) in await connected.fetch(_TABLES)
    ]
    for (function,) in await connected.fetch(_FUNCTIONS, list(_SEARCHES)):
        parts.append(f"SELECT '{function}', ({_SEARCHES[function].format(marks=_MARKS)})")
    return f"SELECT place, seen FROM ({' UNION ALL '.join(parts)}) asked WHERE seen IS NOT NULL" if parts else ""  # noqa: S608 - names of our own


async def _look(
    connected: Connection, question: str, asked_for: Sequence[str], note: Callable[[str, str], None]
) -> None:
    if not question:
        return
    # A table scanned to its end in search of one row would cost as much as a search: each has an index on its tenant.
    await connected.execute("SET LOCAL enable_seqscan = off")
    for place, tenant_id in await connected.fetch(question, list(asked_for)):
        note(place, tenant_id)
