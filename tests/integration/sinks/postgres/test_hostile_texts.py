"""enrich on a real PostgreSQL, told of tickets whose every text is SQL, a search's own syntax or odd Unicode: stored as they are,
searched without an error."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.ops.cli.imports.inventory import Device
from infra.ops.cli.imports.knowledge import Article
from infra.ops.cli.imports.store import DataStore
from infra.runtime.clock import SystemClock
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from infra.runtime.stream.outcomes import Drop, Emit
from infra.runtime.stream.record import Position
from processors.enrich.cache import AnswerCache, CachedSearch
from processors.enrich.fingerprint import fingerprint
from processors.enrich.gather import Limits
from processors.enrich.obstacle import Restraint
from processors.enrich.processor import Knowledge, Stores, process
from processors.enrich.sources.docs import Docs
from processors.enrich.sources.ip_data import IpData
from processors.enrich.sources.ticket_history import TicketHistory
from schemas import ids
from schemas.events import Requester, Ticket, TicketEnriched, TicketKind, TicketReceived
from schemas.topics import Topic
from schemas.wire_format import Codec
from sinks.postgres.arrivals import Arrivals
from sinks.postgres.enhancements import Enhancements
from sinks.postgres.received_events import ReceivedEvents
from sinks.postgres.search import Search
from sinks.postgres.word_counts import WordCounts
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
SQL = (
    "'; DROP TABLE tickets; --",
    "' OR '1'='1",
    "$1, $2); SELECT pg_sleep(9); --",
    "\\'; --",
    "E'\\x00'",
    "NULL",
    "{{7*7}}",
    "",
)
SEARCHES = (
    "%", "_%\\", "\\", "100%_\\%", "a & b | !c <-> d:*", "& | ! ( ) : * <->", "'unbalanced", '"phrase" -not OR', "<2>", ":*",
    "((((", "!!!", "a:ABCD & b:*A", '{"a": {"$ne": null}}', "[1,2", "<script>alert(1)</script>",
)  # fmt: skip
UNICODE = (
    "\x00", "a\x00b", "\u202eDROP\u202c", "\u200b\ufeff", "﷽" * 300, "a\u0301" * 500, "\U0010ffff", "\ufffe", "\x1b[31m",
    "\r\n\t\v\f",
)  # fmt: skip
LONG = (
    "x" * 3000, "é" * 3000, "w" * 2047 + " " + "v" * 2046, "1" * 5000, "0x" + "f" * 3000, "-" * 3000, "a.b" * 2000, "/" * 3000,
    "@" * 2500, "KB" + "9" * 400, "ERR_" * 800, "0x8007" + "0" * 90,
)  # fmt: skip
ADDRESSES = (
    "10.0.0.1 999.999.999.999 ::1 fe80::1%eth0 ::ffff:10.0.0.1 0.0.0.0/0 10.0.0.1/99 1.2.3.4.5", "00:00:00:00:00:00 ::::",
)  # fmt: skip
TRICKS = SQL + SEARCHES + UNICODE + LONG + ADDRESSES
TEXT = st.one_of(st.sampled_from(TRICKS), st.text(st.characters(codec="utf-8"), max_size=60))
TICKETS = st.builds(
    Ticket,
    ticket_id=st.integers(1, 40).map(str),
    subject=TEXT,
    description=st.lists(TEXT, max_size=4).map("\n".join),
    requester=st.one_of(st.none(), st.builds(Requester, TEXT, TEXT, TEXT)),
    site=TEXT,
    end_customer=TEXT,
    category=TEXT,
    priority=TEXT,
    status=TEXT,
    resolution=TEXT,
)


@dataclass(slots=True)
class Choices:
    enable_context_caching: bool
    enhancement_timeout_seconds: int = 120


@dataclass(slots=True)
class Enrich:
    """The stage's decision with its real stores, and nothing that waits."""

    tenant_id: str
    pool: Pool
    caching: bool = False
    told: int = 0

    def of_tenant(self, _: str) -> Any:
        return Choices(self.caching)

    async def tell(self, ticket: Ticket) -> Any:
        self.told, self.caching = self.told + 1, not self.caching
        name = f"hostile-{self.told}"
        event = TicketReceived(
            ids.of_webhook(self.tenant_id, name), self.tenant_id, TicketKind.CREATED, ticket, AT, delivery_id=name
        )
        pool = self.pool
        knowledge = Knowledge(
            sources=(TicketHistory(), Docs(), IpData()),
            search=Search(pool),
            remembering=CachedSearch(Search(pool, WordCounts()), AnswerCache()),
            limits=Limits(per_source=30, together=60),
        )
        outcome = await process(
            event, Position("tickets.received", 1, self.told), fingerprint(event),
            stores=Stores(Arrivals(pool), ReceivedEvents(pool), Enhancements(pool)), knowledge=knowledge, tenants=self,
            clock=SystemClock(), restraint=Restraint(timedelta(0), 1000),
        )  # fmt: skip
        if isinstance(outcome, Emit | Drop) and outcome.then is not None:
            await outcome.then()
        return outcome


@pytest.fixture(scope="module")
async def enrich(pool_of: PoolOf, make_tenant: MakeTenant, operator: Pool) -> Enrich:
    """Of a tenant whose articles and devices are no better than its tickets."""
    tenant_id = await make_tenant()
    data = DataStore(operator, tenant_id, "test")
    texts = [text.replace("\x00", " ") for text in TRICKS if text.strip("\x00 ")]
    await data.articles([Article(f"K{number}", text[:200], text) for number, text in enumerate(texts)])
    await data.devices([Device("D1", "' OR 1=1 --", "10.0.0.1", "pc", "%", "_", "\\")])
    return Enrich(tenant_id, await pool_of("enrich"))


async def stored(enrich: Enrich, ticket_id: str) -> Any:
    async with tenant_transaction(enrich.pool, enrich.tenant_id) as connection:
        return await connection.fetchrow("SELECT * FROM tickets WHERE ticket_id = $1", ticket_id)


def check(outcome: Any) -> None:
    if isinstance(outcome, Emit):
        enriched = outcome.event
        assert isinstance(enriched, TicketEnriched)
        assert not [gone for gone in enriched.missing if gone.reason.startswith("failed")], enriched.missing
        assert Codec().decode(Codec().encode(enriched), Topic.TICKETS_ENRICHED) == enriched


@pytest.mark.parametrize("text", TRICKS, ids=range(len(TRICKS)))
async def test_a_ticket_of_nothing_but_tricks_is_stored_and_searched(enrich: Enrich, text: str) -> None:
    ticket_id = f"T{TRICKS.index(text)}"
    everywhere = Ticket(
        ticket_id, text, text, requester=Requester(text, text, text), site=text, end_customer=text, category=text,
        priority=text, status=text, resolution=text,
    )  # fmt: skip

    check(await enrich.tell(everywhere))
    check(await enrich.tell(replace(everywhere, ticket_id=f"{ticket_id}b")))  # which now has one like it

    row = await stored(enrich, ticket_id)
    kept = text.replace("\x00", "")
    assert (row["subject"], row["description"], row["site"]) == (kept, kept, kept)


async def test_any_text_in_any_field_is_stored_and_searched(enrich: Enrich) -> None:
    loop = asyncio.get_running_loop()

    @settings(derandomize=True, deadline=None, database=None, max_examples=150, suppress_health_check=list(HealthCheck))
    @given(TICKETS)
    def told(ticket: Ticket) -> None:
        check(asyncio.run_coroutine_threadsafe(enrich.tell(ticket), loop).result(60))

    await asyncio.to_thread(told)

    async with tenant_transaction(enrich.pool, enrich.tenant_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM tickets") > 40
