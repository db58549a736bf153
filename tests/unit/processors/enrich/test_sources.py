"""What each source asks, and what it makes of the rows."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from processors.enrich.fakes import FakeRow, FakeSearch
from processors.enrich.ports import Query
from processors.enrich.sources.docs import Docs
from processors.enrich.sources.ip_data import IpData
from processors.enrich.sources.items import bounded, item
from processors.enrich.sources.ticket_history import TicketHistory
from schemas.events import Requester, Ticket

TICKET = Ticket(
    ticket_id="52103",
    subject="Billing stands still",
    description="The server would be 10.20.20.20",
    requester=Requester(id="70104", email="Accounts@Quillmark-Law.example"),
    end_customer="Quillmark Law",
)


def rows(kind: str, *names: str) -> list[FakeRow]:
    return [FakeRow(name, kind=kind) for name in names]


def query(search: FakeSearch, ticket: Ticket = TICKET) -> Query:
    return Query("a", ticket, search)


async def test_history_asks_for_the_requester_and_for_the_text_and_leaves_out_the_ticket_itself() -> None:
    search = FakeSearch()
    await TicketHistory().find(query(search))
    text = "Billing stands still\nThe server would be 10.20.20.20"
    assert search.asked == [
        ("requester_history", "a", "accounts@quillmark-law.example", "Quillmark Law", "52103", 5),
        ("similar_solved", "a", text, "Quillmark Law", "52103", 10),
    ]


async def test_history_of_a_ticket_without_requester_asks_for_the_text_only() -> None:
    search = FakeSearch()
    await TicketHistory().find(query(search, replace(TICKET, requester=None)))
    assert [question[0] for question in search.asked] == ["similar_solved"]


async def test_similar_tickets_lead_and_the_requesters_take_turns() -> None:
    search = FakeSearch(
        similar={"a": rows("similar", *"123456")},
        requester={"a": rows("requester", "r1", "r2", "r3")},
    )
    found = await TicketHistory().find(query(search))
    assert [one.id for one in found][:7] == ["1", "2", "3", "r1", "4", "r2", "5"]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert {one.source for one in found} == {"ticket_history"}


async def test_a_ticket_in_both_lists_comes_once_and_first() -> None:
    search = FakeSearch(similar={"a": rows("similar", "1", "2")}, requester={"a": rows("requester", "2")})
    found = await TicketHistory().find(query(search))
    assert [(one.id, one.kind) for one in found] == [("2", "similar"), ("1", "similar")]


async def test_docs_come_in_the_order_of_the_search() -> None:
    search = FakeSearch(
        knowledge={"a": [FakeRow("KB-1", "Deadlocks", "Find the victim", 0.4, "article", "https://kb/1")]}
    )
    (found,) = await Docs().find(query(search))
    assert (found.source, found.kind, found.id, found.title) == ("docs", "article", "KB-1", "Deadlocks")
    assert (found.excerpt, found.score, found.link) == ("Find the victim", 0.4, "https://kb/1")


async def test_addresses_are_looked_up_and_the_ticket_is_no_incident_of_its_own() -> None:
    search = FakeSearch(network={"a": [*rows("device", "AC-8", "52103"), *rows("incident", "52103", "44310")]})
    found = await IpData().find(query(search))
    assert search.asked == [("by_addresses", "a", ip_address("10.20.20.20"), "Quillmark Law")]
    assert [(one.kind, one.id) for one in found] == [
        ("device", "AC-8"),
        ("device", "52103"),
        ("incident", "44310"),
    ]


async def test_a_ticket_without_an_address_asks_nothing() -> None:
    search = FakeSearch()
    assert not await IpData().find(query(search, replace(TICKET, description="no idea")))
    assert not search.asked


def test_an_item_stays_within_its_bounds() -> None:
    found = bounded(item("docs", FakeRow("KB-1", "t " * 500, "x " * 5000, link="https://kb/" + "y" * 2000)))
    assert len(found.title.encode()) <= 300
    assert len(found.excerpt.encode()) <= 2048
    assert found.link is None
