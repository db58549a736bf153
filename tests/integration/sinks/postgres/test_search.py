"""Search: the ticket that helps comes first, noise doesn't come at all, and never anything of another tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import asyncpg
import pytest

from infra.ops.cli.imports.history import SolvedTicket
from infra.ops.cli.imports.inventory import Device
from infra.ops.cli.imports.knowledge import Article
from infra.ops.cli.imports.store import DataStore
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from infra.runtime.stream.record import Position
from schemas.events import Requester, Ticket, TicketKind, TicketReceived
from sinks.postgres import search
from sinks.postgres.joint_questions import Kind, Rows
from sinks.postgres.search import EXCERPT_CHARACTERS, INCIDENTS, MATCH_CEILING, Found, Search
from sinks.postgres.tickets import Tickets
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
MAX_EXCERPT_BYTES = 2048


def solved(
    ticket_id: str,
    subject: str,
    description: str,
    resolution: str = "Fixed.",
    *,
    end_customer: str | None = None,
    site: str | None = None,
) -> SolvedTicket:
    return SolvedTicket(
        ticket_id=ticket_id,
        subject=subject,
        description=description,
        resolution=resolution,
        requester_id=None,
        requester_name=None,
        requester_email=None,
        site=site,
        end_customer=end_customer,
        category=None,
        priority=None,
        status="Closed",
        created_at=AT,
        solved_at=AT,
    )


HISTORY = [
    solved(
        "1",
        "VPN stuck at 98%",
        "FortiClient goes up to 98 percent and drops back.",
        "Removed the virtual adapter.",
    ),
    solved(
        "2",
        "can't add copier, 0x0000011b",
        "Windows cannot connect to the printer on prn-01.",
        "Updated the print server.",
    ),
    solved("3", "printer prints blank pages", "Every second page from the copier is blank.", "Replaced the drum."),
    solved(
        "4",
        "WMS freezes",
        "FATAL: remaining connection slots are reserved, wms_stock_report.",
        "Ended idle sessions.",
    ),
    solved(
        "5",
        "mailbox full",
        "The mailbox of accounts is full and cannot send.",
        "Enabled the archive.",
        end_customer="Quill",
    ),
    solved(
        "6",
        "mailbox full",
        "The mailbox of accounts is full and cannot send.",
        "Enabled the archive.",
        end_customer="Nine",
    ),
    solved("60", "mailbox full", "The mailbox of accounts is full and cannot send.", "Enabled the archive."),
    solved(
        "7", "till offline", "Till 10.42.0.10 says no server since the morning.", "Router had moved to another port."
    ),
    *(
        solved(f"2{n}", f"new starter number {n}", "Please set up an account and a laptop for a new colleague.")
        for n in range(20)
    ),
]


@dataclass
class Corpus:
    """A tenant with a history, asked as enrich asks."""

    tenant_id: str
    search: Search

    async def similar(self, text: str, customer: str | None = None, exclude: str = "none", limit: int = 5) -> list[str]:
        return ids(await self.search.similar_solved(self.tenant_id, text, customer, exclude, limit))


def ids(found: Sequence[Found]) -> list[str]:
    return [item.id for item in found]


@pytest.fixture(scope="module")
async def corpus(make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf) -> Corpus:
    tenant_id = await make_tenant()
    await DataStore(operator, tenant_id, "test").solved_tickets(HISTORY)
    return Corpus(tenant_id, Search(await pool_of("enrich")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FortiClient hangs\nIt goes up, up, up and at 98 it drops back to the start.", "1"),
        ("Operation failed with error 0x0000011b\nThree new laptops, adding the copier fails.", "2"),
        ("blank paper\nOur copier printed blank pages again", "3"),
        ("handhelds waiting\nremaining connection slots are reserved for roles, mostly wms_stock_report", "4"),
        ("no server\nthe till with 10.42.0.10 on its sticker is dead", "7"),
    ],
)
async def test_the_same_problem_in_other_words_comes_first(corpus: Corpus, text: str, expected: str) -> None:
    assert (await corpus.similar(text))[0] == expected


@pytest.mark.parametrize(
    "text", ["", "\n", "!!! ??? '' \\ & | :* <->", "coffee machine\nwater in the kitchen", "a the of"]
)
async def test_what_is_like_nothing_finds_nothing(corpus: Corpus, text: str) -> None:
    assert await corpus.similar(text) == []


@pytest.mark.parametrize(
    "text",
    ["it's a 'mailbox' \\ full", "mailbox & full | !accounts", "mailbox:* full <-> accounts", "mailbox full\0accounts"],
)
async def test_no_character_of_a_ticket_is_an_operator(corpus: Corpus, text: str) -> None:
    assert set(await corpus.similar(f"{text} accounts cannot send")) == {"5", "6", "60"}


@pytest.mark.parametrize(
    ("customer", "expected"),
    [("Quill", ["5", "60"]), ("nine", ["6", "60"]), ("Else", ["60"]), (None, ["5", "6", "60"]), ("", ["5", "6", "60"])],
)
async def test_the_same_end_customers_come_first_and_another_ones_not_at_all(
    corpus: Corpus, customer: str | None, expected: list[str]
) -> None:
    assert await corpus.similar("mailbox of accounts full", customer) == expected


async def test_the_ticket_itself_is_no_match(corpus: Corpus) -> None:
    assert "5" not in await corpus.similar("mailbox of accounts full", exclude="5")


async def test_the_excerpt_says_first_what_was_done_and_is_bounded(corpus: Corpus, operator: Pool) -> None:
    long = solved(
        "long", "zebra calibration", "zebra calibration lost " + "ä" * 30_000, "Held the feed key. " + "ü" * 30_000
    )
    await DataStore(operator, corpus.tenant_id, "test").solved_tickets([long])

    (found, *_) = await corpus.search.similar_solved(corpus.tenant_id, "zebra calibration lost", None, "none", 5)

    assert found.id == "long"
    assert "Held the feed key." in found.excerpt[:60]
    assert len(found.excerpt.encode()) <= 2 * MAX_EXCERPT_BYTES


async def test_an_excerpt_ends_with_a_whole_word(make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf) -> None:
    tenant_id = await make_tenant()
    words = [f"calibrating{n}" for n in range(3000)]
    text = " ".join(words)
    store = DataStore(operator, tenant_id, "test")
    await store.solved_tickets([solved("long", "zebra calibration", text, "zebra feed key")])
    await store.articles([Article("KB-1", "Zebra calibration", text)])
    search = Search(await pool_of("enrich"))

    (ticket,) = await search.similar_solved(tenant_id, "zebra calibration", None, "none", 5)
    (article,) = await search.articles(tenant_id, "zebra calibration", 5)

    for excerpt in (ticket.excerpt, article.excerpt):
        assert excerpt.endswith("…")
        assert excerpt.removesuffix("…").split()[-1] in words
        assert EXCERPT_CHARACTERS - 20 < len(excerpt) <= EXCERPT_CHARACTERS


async def test_the_best_is_found_behind_a_crowd_that_shares_a_word_or_two(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf
) -> None:
    tenant_id = await make_tenant()
    crowd = [
        solved(f"c{n}", "portal timeout", f"The portal shows a timeout, case {n}.") for n in range(MATCH_CEILING + 100)
    ]
    best = solved("best", "portal timeout behind the blue gateway", "Gateway certificate of the portal ran out.")
    await DataStore(operator, tenant_id, "test").solved_tickets([*crowd, best])

    found = await Corpus(tenant_id, Search(await pool_of("enrich"))).similar(
        "portal timeout\nthe blue gateway certificate"
    )

    assert found[0] == "best"


@pytest.mark.parametrize("documents", [0, 1, 5])
async def test_words_that_bring_no_candidates_still_judge_them(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, documents: int
) -> None:
    question = (corpus.tenant_id, "mailbox full\nthe mailbox of accounts cannot send", "Quill", "none", 5)
    everything = await corpus.search.similar_solved(*question)
    monkeypatch.setattr(search, "LEADING_DOCUMENTS", documents)
    assert await corpus.search.similar_solved(*question) == everything
    assert [found.id for found in everything] == ["5", "60"]


async def test_words_that_are_frequent_are_counted_once(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, pool_of: PoolOf
) -> None:
    monkeypatch.setattr(search, "FREQUENT", 3)
    asking, counted = Search(await pool_of("enrich")), []
    ask = asking._ask

    def noted(kind: Kind, tenant_id: str, *asked: object) -> asyncio.Future[Rows]:
        counted.extend([set(asked[0])] if kind is search._COUNTS and isinstance(asked[0], list) else [])
        return ask(kind, tenant_id, *asked)

    monkeypatch.setattr(asking, "_ask", noted)
    first, again = [
        await asking.similar_solved(corpus.tenant_id, "mailbox full of copiers", None, "none", 5) for _ in range(2)
    ]
    assert first == again
    assert counted[0] - counted[1] == {"mailbox", "full"}


async def test_in_a_large_corpus_frequent_words_are_told_from_a_sample_and_counted_no_more(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = await make_tenant()
    crowd = [solved(f"{n}", "printer", "The printer is slow.") for n in range(12)]
    await DataStore(operator, tenant_id, "test").solved_tickets(
        [*crowd, solved("toner", "printer", "Toner on the paper.")]
    )
    monkeypatch.setattr(search, "SAMPLE", 6)
    asking, counted = Search(await pool_of("enrich")), []
    ask = asking._ask

    def noted(kind: Kind, tenant_id: str, *asked: object) -> asyncio.Future[Rows]:
        counted.extend(asked[0] if kind is search._COUNTS and isinstance(asked[0], list) else [])
        return ask(kind, tenant_id, *asked)

    monkeypatch.setattr(asking, "_ask", noted)
    found = await asking.similar_solved(tenant_id, "printer with toner", None, "none", 5)

    assert (found[0].id, counted) == ("toner", ["toner"])


async def test_of_an_address_that_every_ticket_names_the_last_are_found(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf
) -> None:
    tenant_id = await make_tenant()
    crowd = [solved(f"{n}", "gateway", "The gateway 10.0.0.1 is slow.") for n in range(1000, 1250)]
    named = solved("1000", "gateway and till", "Between 10.0.0.1 and 10.0.0.7 nothing goes.")
    await DataStore(operator, tenant_id, "test").solved_tickets([*crowd[1:], named])
    asked = [ip_address("10.0.0.1"), ip_address("10.0.0.7")]

    found = ids(await Search(await pool_of("enrich")).by_addresses(tenant_id, asked, None))

    assert len(found) == INCIDENTS
    assert all(ticket_id == "1000" or int(ticket_id) >= 1150 for ticket_id in found)
    assert "1000" in found


async def test_only_solved_tickets_are_similar_and_a_reopened_one_is_none(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf
) -> None:
    tenant_id, enrich = await make_tenant(), await pool_of("enrich")
    alike = solved("8", "scanner loses connection in aisle two", "since the early shift")
    await DataStore(operator, tenant_id, "test").solved_tickets([alike])
    tickets, question = Tickets(enrich), Corpus(tenant_id, Search(enrich))

    async def received(offset: int, kind: TicketKind, status: str) -> None:
        ticket = Ticket("9", "scanner loses connection in aisle seven", "since the late shift", status=status)
        event = TicketReceived(f"00000000-0000-0000-0000-{offset:012}", tenant_id, kind, ticket, AT)
        await tickets.store(event, Position("tickets.received", 0, offset))

    await received(1, TicketKind.CREATED, "Open")
    assert await question.similar("scanner loses connection in aisle seven") == ["8"]
    await received(2, TicketKind.CLOSED, "Closed")
    assert set(await question.similar("scanner loses connection in aisle seven")) == {"8", "9"}
    await received(3, TicketKind.UPDATED, "Open")
    assert await question.similar("scanner loses connection in aisle seven") == ["8"]


async def test_a_ticket_that_is_not_solved_costs_the_search_nothing(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf
) -> None:
    tenant_id, enrich = await make_tenant(), await pool_of("enrich")
    await DataStore(operator, tenant_id, "test").solved_tickets(
        [solved("8", "scanner silent", "since the early shift")]
    )
    event = TicketReceived(
        "00000000-0000-0000-0000-000000000001",
        tenant_id,
        TicketKind.CREATED,
        Ticket("9", "scanner silent", "again"),
        AT,
    )
    await Tickets(enrich).store(event, Position("tickets.received", 0, 1))

    async with tenant_transaction(operator, tenant_id) as connected:
        documents = await connected.fetch("SELECT ticket_id, search IS NOT NULL FROM tickets ORDER BY ticket_id")
        assert [tuple(row) for row in documents] == [("8", True), ("9", False)]
        index = await connected.fetchval("SELECT pg_get_indexdef('tickets_search'::regclass)")
    assert "WHERE (search IS NOT NULL)" in index


async def test_an_edited_ticket_is_found_by_its_new_address_only(make_tenant: MakeTenant, pool_of: PoolOf) -> None:
    tenant_id, enrich = await make_tenant(), await pool_of("enrich")
    for offset, named in enumerate(("10.9.0.1 and 10.9.0.2", "10.9.0.2 and 10.9.0.3"), 1):
        event = TicketReceived(
            f"00000000-0000-0000-0000-{offset:012}", tenant_id, TicketKind.UPDATED, Ticket("1", "gone", named), AT
        )
        await Tickets(enrich).store(event, Position("tickets.received", 0, offset))

    async def named_in(address: str) -> list[str]:
        return ids(await Search(enrich).by_addresses(tenant_id, [ip_address(address)], None))

    assert [await named_in(f"10.9.0.{last}") for last in (1, 2, 3)] == [[], ["1"], ["1"]]


async def test_no_question_finds_another_tenants_data(corpus: Corpus, make_tenant: MakeTenant, operator: Pool) -> None:
    other = await make_tenant()
    await DataStore(operator, other, "test").solved_tickets([solved("mine", "mailbox full", "accounts cannot send")])
    await DataStore(operator, corpus.tenant_id, "test").articles(
        [Article("KB-9", "Mailbox full", "Enable the archive.")]
    )
    await DataStore(operator, corpus.tenant_id, "test").devices([Device("D-9", "till-9", "10.42.0.10", "till")])

    assert ids(await corpus.search.similar_solved(other, "mailbox of accounts full", None, "none", 10)) in (
        [],
        ["mine"],
    )
    assert await corpus.search.articles(other, "mailbox full archive", 10) == []
    assert await corpus.search.by_addresses(other, [ip_address("10.42.0.10")], None) == []
    assert await corpus.search.requester_history(other, "desk@quill.example", None, "none", 10) == []


async def test_the_search_functions_find_nothing_without_a_tenant(corpus: Corpus, pool_of: PoolOf) -> None:
    async with (await pool_of("enrich")).acquire() as connected:
        asked = ["mailbox", f"@{corpus.tenant_id}"]
        assert await connected.fetch("SELECT * FROM ticket_lexeme_counts($1, 10)", asked) == []
        best = "SELECT * FROM best_similar_tickets($1, $2, 2, 0, '', NULL, 1, 10, 10)"
        assert await connected.fetch(best, asked, [1.0, 1.0]) == []
        assert (
            await connected.fetch("SELECT * FROM best_matching_articles($1, $2, 2, 0, 10, 10, 10)", asked, [1.0, 1.0])
            == []
        )


async def test_a_requesters_tickets_come_newest_first(make_tenant: MakeTenant, pool_of: PoolOf) -> None:
    tenant_id, enrich = await make_tenant(), await pool_of("enrich")
    for day, email in enumerate(("Desk@quill.example", "desk@quill.example", "other@quill.example"), 1):
        ticket = Ticket(
            f"{day}", f"subject {day}", "", requester=Requester(email=email), created_at=AT + timedelta(days=day)
        )
        event = TicketReceived(f"00000000-0000-0000-0000-{day:012}", tenant_id, TicketKind.CREATED, ticket, AT)
        await Tickets(enrich).store(event, Position("tickets.received", 0, day))

    found = await Search(enrich).requester_history(tenant_id, "desk@quill.example", None, "none", 5)

    assert ids(found) == ["2", "1"]
    assert ids(await Search(enrich).requester_history(tenant_id, "desk@quill.example", None, "2", 5)) == ["1"]
    assert await Search(enrich).requester_history(tenant_id, "", None, "none", 5) == []


@pytest.mark.parametrize(
    ("customer", "expected"), [("Quill", ["3", "1"]), ("NINE", ["3", "2"]), ("Else", ["3"]), (None, ["3", "2", "1"])]
)
async def test_of_a_mailbox_or_an_address_that_end_customers_share_each_gets_its_own_tickets(
    make_tenant: MakeTenant, pool_of: PoolOf, customer: str | None, expected: list[str]
) -> None:
    tenant_id, enrich = await make_tenant(), await pool_of("enrich")
    for day, owner in enumerate(("Quill", "Nine", None), 1):
        ticket = Ticket(
            f"{day}", "router silent", "192.168.1.1 is gone", requester=Requester(email="alerts@msp.example"),
            end_customer=owner, created_at=AT + timedelta(days=day),
        )  # fmt: skip
        event = TicketReceived(f"00000000-0000-0000-0000-{day:012}", tenant_id, TicketKind.CREATED, ticket, AT)
        await Tickets(enrich).store(event, Position("tickets.received", 0, day))
    search = Search(enrich)

    assert ids(await search.requester_history(tenant_id, "alerts@msp.example", customer, "none", 5)) == expected
    assert ids(await search.by_addresses(tenant_id, [ip_address("192.168.1.1")], customer)) == expected


async def test_articles_are_found_by_words_and_by_codes(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf
) -> None:
    tenant_id = await make_tenant()
    articles = [
        Article(
            "KB-1",
            "Shared printer cannot be added",
            "Error 0x0000011b: update the print server.",
            link="https://kb.example/1",
        ),
        Article("KB-2", "Site-to-site IPsec up, files hang", "Large packets are dropped: clamp the MSS to 1350."),
        *(Article(f"KB-1{n}", f"Onboarding part {n}", "Create the account and order a laptop.") for n in range(9)),
    ]
    await DataStore(operator, tenant_id, "test").articles(articles)
    search = Search(await pool_of("enrich"))

    (first, *_) = await search.articles(tenant_id, "adding the copier fails\nOperation failed with error 0x0000011b", 3)

    assert (first.id, first.kind, first.link) == ("KB-1", "article", "https://kb.example/1")
    assert "0x0000011b" in first.excerpt
    assert ids(await search.articles(tenant_id, "large files hang between sites, packets dropped", 3))[:1] == ["KB-2"]


async def test_an_address_finds_its_device_its_subnets_the_smallest_first_and_earlier_tickets(
    make_tenant: MakeTenant, operator: Pool, pool_of: PoolOf
) -> None:
    tenant_id = await make_tenant()
    store = DataStore(operator, tenant_id, "test")
    await store.devices(
        [
            Device("D-1", "till-1", "10.42.0.10", "till"),
            Device("D-2", "till-2", "10.42.0.11", "till"),
            Device("N-1", "all", "10.0.0.0/8", "subnet"),
            Device("N-2", "pier", "10.42.0.0/24", "subnet"),
            Device("N-3", "quay", "10.43.0.0/24", "subnet"),
            Device("D-6", "six", "2001:db8::10", "server"),
            Device("N-6", "six-net", "2001:db8::/32", "subnet"),
        ]
    )
    await store.solved_tickets(
        [solved("t1", "till offline", "Till 10.42.0.10 says no server."), solved("t2", "x", "10.42.0.100")]
    )
    search = Search(await pool_of("enrich"))

    four = await search.by_addresses(tenant_id, [ip_address("10.42.0.10")], None)
    six = await search.by_addresses(tenant_id, [ip_address("2001:db8::10")], None)

    assert [(item.kind, item.id) for item in four] == [
        ("device", "D-1"),
        ("subnet", "N-2"),
        ("subnet", "N-1"),
        ("incident", "t1"),
    ]
    assert [(item.kind, item.id) for item in six] == [("device", "D-6"), ("subnet", "N-6")]
    assert await search.by_addresses(tenant_id, [], None) == []


Import = Callable[[DataStore], Awaitable[object]]


@pytest.mark.parametrize(
    ("table", "bring"),
    [
        (
            "tickets",
            lambda store: store.solved_tickets([solved("a", "x", "y"), solved("a" * 3, "x", "y", site="\ud800")]),
        ),
        ("knowledge_articles", lambda store: store.articles([Article("a", "x", "y"), Article("b", "x", "\0")])),
        (
            "inventory",
            lambda store: store.devices([Device("a", "a", "10.0.0.1", "x"), Device("b", "b", "no address", "x")]),
        ),
    ],
)
async def test_of_a_file_with_one_bad_row_nothing_is_imported(
    operator: Pool, tenant: str, table: str, bring: Import
) -> None:
    with pytest.raises((asyncpg.PostgresError, ValueError)):
        await bring(DataStore(operator, tenant, "test"))

    async with tenant_transaction(operator, tenant) as connected:
        assert await connected.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608 — named above
        assert await connected.fetchval("SELECT count(*) FROM audit_log WHERE operation LIKE '%import'") == 0


async def test_an_import_never_overwrites_what_a_webhook_told(operator: Pool, pool_of: PoolOf, tenant: str) -> None:
    ticket = Ticket("1", "told by the desk", "")
    event = TicketReceived("00000000-0000-0000-0000-000000000001", tenant, TicketKind.CREATED, ticket, AT)
    await Tickets(await pool_of("enrich")).store(event, Position("tickets.received", 0, 0))

    await DataStore(operator, tenant, "test").solved_tickets([solved("1", "imported", "older")])

    async with tenant_transaction(operator, tenant) as connected:
        assert await connected.fetchval("SELECT subject FROM tickets") == "told by the desk"
