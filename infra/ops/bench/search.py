"""`bench search`: how long enrich's questions take among 300,000 solved tickets of 50 tenants, under row-level security.

A throwaway PostgreSQL holds one tenant with a fifth of the tickets, some with thousands and many with hundreds. New tickets of each
are then asked about as enrich does, through its own search, pool and role: every kind of question alone, then all of a ticket at
once, then eight tickets at once.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random

import asyncpg

from infra.ops.bench.figures import Bench
from infra.ops.bench.search_corpus import Language, MadeTenant, MadeTicket, sizes
from infra.ops.local.postgres import EmbeddedPostgres
from infra.ops.local.stack.database import DATABASE, prepare_database, service_dsns
from infra.ops.local.stack.secrets import LocalSecrets
from infra.runtime.postgres.pool import Pool, open_pool
from schemas.network_names import addresses, hostnames
from sinks.postgres.search import Search
from sinks.postgres.search_terms import exact_tokens
from sinks.postgres.word_counts import WordCounts

TICKETS = 300_000
LOADING_AT_ONCE = 2
WARM_UP = 100
"""Until the process has counted the tenants' frequent words, which it remembers for an hour."""
QUESTIONS = 200
"""New tickets of each class of tenants."""
AT_ONCE = 8
SMALL = 5_500
CLASSES = ("largest", "middle", "small")
SIMILAR, ARTICLES, REQUESTED = 10, 8, 5
"""How many of each enrich asks for."""

_TICKETS = (
    *("tenant_id", "ticket_id", "subject", "description", "resolution", "requester_key", "end_customer", "status"),
    *("ticket_created_at", "ticket_updated_at", "solved_at", "content_hash", "record_offset", "exact_tokens"),
)
Ask = Callable[[Search, MadeTenant, MadeTicket], Awaitable[object]]


def _similar(search: Search, tenant: MadeTenant, ticket: MadeTicket) -> Awaitable[object]:
    return search.similar_solved(tenant.tenant_id, ticket.text, ticket.end_customer, ticket.ticket_id, SIMILAR)


def _articles(search: Search, tenant: MadeTenant, ticket: MadeTicket) -> Awaitable[object]:
    return search.articles(tenant.tenant_id, ticket.text, ARTICLES)


def _addressed(search: Search, tenant: MadeTenant, ticket: MadeTicket) -> Awaitable[object]:
    named = addresses(ticket.text) or (ip_address(tenant.devices[len(ticket.text) % len(tenant.devices)][1]),)
    return search.by_addresses(tenant.tenant_id, named, ticket.end_customer)


def _named(search: Search, tenant: MadeTenant, ticket: MadeTicket) -> Awaitable[object]:
    return search.by_hostnames(tenant.tenant_id, hostnames(ticket.text) or (tenant.devices[0][0],))


def _requester(search: Search, tenant: MadeTenant, ticket: MadeTicket) -> Awaitable[object]:
    return search.requester_history(
        tenant.tenant_id, ticket.requester, ticket.end_customer, ticket.ticket_id, REQUESTED
    )


async def _everything(search: Search, tenant: MadeTenant, ticket: MadeTicket) -> None:
    await asyncio.gather(*(ask(search, tenant, ticket) for ask in KINDS.values()))


KINDS: dict[str, Ask] = {
    "similar": _similar,
    "articles": _articles,
    "addressed": _addressed,
    "named": _named,
    "requester": _requester,
}


@dataclass(slots=True)
class Corpus:
    """The tenants, and a pool as enrich opens it."""

    tenants: Sequence[MadeTenant]
    dsn: str
    pool: Pool

    def of_class(self, name: str) -> list[MadeTenant]:
        middle = [tenant for tenant in self.tenants[1:] if tenant.tickets > self.tenants[0].tickets * SMALL / 60_000]
        if name == "largest":
            return [self.tenants[0]]
        return middle if name == "middle" else list(self.tenants[1 + len(middle) :])


@dataclass(slots=True)
class _Times:
    """Milliseconds of each question."""

    bench: Bench
    tell: Callable[[str], None]
    worst: dict[str, float] = field(default_factory=dict)

    def note(self, kind: str, class_name: str, ms: Sequence[float]) -> None:
        cuts = statistics.quantiles(ms, n=100)
        found = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}
        self.bench.figures |= {f"{kind}_{class_name}_{name}_ms": round(value, 2) for name, value in found.items()}
        self.worst[kind] = max(self.worst.get(kind, 0.0), found["p95"])
        self.tell(f"{kind}, {class_name}: " + ", ".join(f"{name} {value:.1f} ms" for name, value in found.items()))


async def bench_search(tell: Callable[[str], None], *, events: int = TICKETS, questions: int = QUESTIONS) -> Bench:
    """`events` is how many solved tickets there are; `questions` of each kind are asked for each class of tenants."""
    bench = Bench("search", compared={"largest_to_small": "p95 of the largest tenant, beside that of the small ones"})
    async with loaded(tell, events) as (corpus, seconds):
        bench.figures |= {"tickets": events, "tenants": len(corpus.tenants), "loading_seconds": round(seconds)}
        times = _Times(bench, tell)
        for counting in (True, False):
            await _alone(corpus, times, questions, counting=counting)
        await _together(corpus, times, questions)
        bench.figures |= {f"{kind}_worst_p95_ms": round(ms, 2) for kind, ms in times.worst.items()}
        for kind in KINDS:
            large, small = (bench.figures[f"{kind}_{name}_p95_ms"] for name in ("largest", "small"))
            bench.ratios[f"{kind}_largest_to_small"] = round(large / small, 2)
    return bench


async def _alone(corpus: Corpus, times: _Times, questions: int, *, counting: bool) -> None:
    """One question at a time; without remembered counts only what is weighed by them."""
    kinds = KINDS if counting else {"similar": _similar, "articles": _articles}
    for kind, ask in kinds.items():
        for name in CLASSES:
            search = Search(corpus.pool, WordCounts() if counting else None)
            asked = _new_tickets(corpus.of_class(name), questions + WARM_UP, seed=f"{kind} {name}")
            ms = [await _timed(ask, search, tenant, ticket) for tenant, ticket in asked]
            times.note(kind if counting else f"{kind}_uncounted", name, ms[WARM_UP:])


async def _together(corpus: Corpus, times: _Times, questions: int) -> None:
    """All of a ticket's questions at once, as enrich asks them: one ticket, then eight tickets at a time."""
    for kind, at_once in (("ticket", 1), ("ticket_of_eight", AT_ONCE)):
        for name in CLASSES:
            search = Search(corpus.pool, WordCounts())
            asked = _new_tickets(corpus.of_class(name), questions + WARM_UP, seed=f"{kind} {name}")
            ms: list[float] = []

            async def work(
                search: Search = search, left: Iterator[tuple[MadeTenant, MadeTicket]] = asked
            ) -> list[float]:
                return [await _timed(_everything, search, tenant, ticket) for tenant, ticket in left]

            for part in await asyncio.gather(*(work() for _ in range(at_once))):
                ms += part[WARM_UP // at_once :]
            times.note(kind, name, ms)


async def _timed(ask: Ask, search: Search, tenant: MadeTenant, ticket: MadeTicket) -> float:
    started = time.perf_counter()
    await ask(search, tenant, ticket)
    return 1000 * (time.perf_counter() - started)


def _new_tickets(tenants: Sequence[MadeTenant], count: int, *, seed: str) -> Iterator[tuple[MadeTenant, MadeTicket]]:
    random = Random(seed)
    for number in range(count):
        tenant = random.choice(tenants)
        yield tenant, tenant.ticket(tenant.tickets + number)


@asynccontextmanager
async def loaded(tell: Callable[[str], None], tickets: int) -> AsyncIterator[tuple[Corpus, float]]:
    """A PostgreSQL of its own with the tenants' data, and the seconds that loading took."""
    with tempfile.TemporaryDirectory(prefix="ts-") as folder:
        server, secrets = EmbeddedPostgres(Path(folder) / "postgres"), LocalSecrets(Path(folder) / "secrets")
        await server.start()
        try:
            await server.ensure_database(DATABASE)
            dsn = server.dsn(database=DATABASE)
            await prepare_database(dsn, secrets, {})
            started = time.monotonic()
            tenants = await fill(tell, dsn, tickets)
            seconds = time.monotonic() - started
            pool = await open_pool(service_dsns(dsn, secrets, {})["enrich"], service="enrich")
            async with pool:
                yield Corpus(tenants, dsn, pool), seconds
        finally:
            await server.stop()


async def fill(tell: Callable[[str], None], dsn: str, tickets: int) -> list[MadeTenant]:
    """As the superuser, past the path that a ticket takes, and with the indexes made behind it: what is measured is reading."""
    language = Language(Random(0))
    tenants = [MadeTenant(number, size, language) for number, size in enumerate(sizes(tickets))]
    connection = await asyncpg.connect(dsn)
    try:
        indexes = await _without_indexes(connection)
        left = iter(tenants)

        async def some() -> None:
            own = await asyncpg.connect(dsn)
            try:
                for tenant in left:
                    await _load(own, tenant)
                    tell(f"{tenant.tenant_id}: {tenant.tickets} tickets")
            finally:
                await own.close()

        await asyncio.gather(*(some() for _ in range(LOADING_AT_ONCE)))
        await connection.execute("SET maintenance_work_mem = '512MB'")
        for index in indexes:
            await connection.execute(index)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return tenants


async def _without_indexes(connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    """Takes the GIN indexes away; returns how they are made again."""
    rows = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '% USING gin %'"
    )
    for row in rows:
        await connection.execute(f'DROP INDEX "{row["indexname"]}"')
    return [row["indexdef"] for row in rows]


async def _load(connection: asyncpg.Connection[asyncpg.Record], tenant: MadeTenant) -> None:
    tenant_id = tenant.tenant_id
    await connection.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
        tenant_id,
        tenant.number,
    )
    named: list[tuple[object, ...]] = []

    async def rows() -> AsyncIterator[tuple[object, ...]]:
        for ticket in tenant.solved():
            named.extend((tenant_id, address, ticket.ticket_id) for address in addresses(ticket.text))
            yield _row(tenant_id, ticket)
            await asyncio.sleep(0)

    await connection.copy_records_to_table("tickets", records=rows(), columns=_TICKETS)
    await connection.copy_records_to_table("ticket_addresses", records=named)
    articles = [
        (tenant_id, article_id, title, body, exact_tokens(f"{title}\n{body}"))
        for article_id, title, body in tenant.articles()
    ]
    await connection.copy_records_to_table(
        "knowledge_articles", records=articles, columns=["tenant_id", "article_id", "title", "body", "exact_tokens"]
    )
    networks = [("device", name, ip_network(address)) for name, address in tenant.devices]
    networks += [("subnet", name, ip_network(network)) for name, network in tenant.subnets]
    await connection.copy_records_to_table(
        "inventory",
        records=[(tenant_id, name, kind, name, net[0], net[-1], "rack 1") for kind, name, net in networks],
        columns=["tenant_id", "item_id", "kind", "name", "lo", "hi", "details"],
    )


def _row(tenant_id: str, ticket: MadeTicket) -> tuple[object, ...]:
    at = ticket.created_at
    return (
        tenant_id,
        ticket.ticket_id,
        ticket.subject,
        ticket.description,
        ticket.resolution,
        ticket.requester,
        ticket.end_customer,
        "Closed",
        at,
        at,
        at,
        f"made-{ticket.ticket_id}",
        -1,
        exact_tokens(f"{ticket.text}\n{ticket.resolution}"),
    )
