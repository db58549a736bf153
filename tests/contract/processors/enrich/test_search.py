"""The sources on a real PostgreSQL: what a technician would want found is found, and only the tenant's own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from infra.runtime.postgres.pool import Pool
from processors.enrich.gather import Gathered, Limits, gather
from processors.enrich.ports import Query
from processors.enrich.sources.docs import Docs
from processors.enrich.sources.ip_data import IpData
from processors.enrich.sources.ticket_history import TicketHistory
from schemas.events import Requester, Source, Ticket
from sinks.postgres.search import Search
from sinks.postgres.word_counts import WordCounts
from tests.contract.processors.enrich.corpus import WANTED, live_tickets, load

LEAST_RECALL = {"earlier": 0.9, "article": 0.75}
"""Share of the hand-picked pairs of `corpus.WANTED` that must be in the event."""

NewTenant = Callable[[], Awaitable[str]]
SOURCES = (TicketHistory(), Docs(), IpData())


@dataclass(frozen=True)
class Known:
    """A demo tenant's data under the id that it has in this session."""

    name: str
    tenant_id: str
    search: Search

    async def gathered(self, ticket: Ticket) -> Gathered:
        result = await gather(SOURCES, Query(self.tenant_id, ticket, self.search), Limits())
        assert result.missing == ()
        return result

    async def ids(self, ticket: Ticket, source: Source) -> list[str]:
        return [item.id for item in (await self.gathered(ticket)).context if item.source == source.value]


@pytest.fixture(scope="module")
async def everyone(pool: Pool, superuser: Pool, new_tenant: NewTenant) -> dict[str, Known]:
    known = {name: Known(name, await new_tenant(), Search(pool)) for name in WANTED}
    for one in known.values():
        await load(pool, superuser, one.name, one.tenant_id)
    return known


@pytest.fixture(params=sorted(WANTED))
def known(request: pytest.FixtureRequest, everyone: dict[str, Known]) -> Known:
    return everyone[request.param]


async def test_the_earlier_ticket_with_the_same_cause_is_found(known: Known) -> None:
    live = live_tickets(known.name)
    lost = [
        wanted.ticket_id
        for wanted in WANTED[known.name]
        if wanted.earlier not in await known.ids(live[wanted.ticket_id], Source.TICKET_HISTORY)
    ]
    assert 1 - len(lost) / len(WANTED[known.name]) >= LEAST_RECALL["earlier"], lost


async def test_the_article_with_the_cure_is_found(known: Known) -> None:
    live, asked = live_tickets(known.name), [wanted for wanted in WANTED[known.name] if wanted.article]
    lost = [w.ticket_id for w in asked if w.article not in await known.ids(live[w.ticket_id], Source.DOCS)]
    assert 1 - len(lost) / len(asked) >= LEAST_RECALL["article"], lost


async def test_a_named_address_brings_the_device_its_subnet_and_earlier_incidents(everyone: dict[str, Known]) -> None:
    nordwind = everyone["msp-nordwind"]
    items = (await nordwind.gathered(live_tickets("msp-nordwind")["71926"])).context
    found = [(item.kind, item.id) for item in items if item.source == Source.IP_DATA.value]
    assert found[0] == ("device", "NW-1111")
    assert ("subnet", "NW-1102") in found
    assert {kind for kind, _ in found} <= {"device", "subnet", "incident"}


async def test_an_ipv6_address_finds_its_device(everyone: dict[str, Known]) -> None:
    ticket = Ticket("99001", "gateway gone", "no answer from 2001:db8:71:10::25 since noon")
    assert (await everyone["msp-nordwind"].ids(ticket, Source.IP_DATA))[0] == "NW-1010"


async def test_a_requester_gets_the_own_earlier_tickets_though_the_text_says_nothing(known: Known) -> None:
    (first, *_) = live_tickets(known.name).values()
    mute = replace(first, ticket_id="99002", subject="zzz", description="qqq", content_hash="")
    items = (await known.gathered(mute)).context
    assert items
    assert {item.kind for item in items} == {"requester"}


async def test_a_ticket_never_finds_itself(known: Known) -> None:
    (wanted, *_) = WANTED[known.name]
    ticket = replace(live_tickets(known.name)[wanted.ticket_id], ticket_id=wanted.earlier)
    assert wanted.earlier not in await known.ids(ticket, Source.TICKET_HISTORY)


async def test_no_tenant_finds_anything_of_another(everyone: dict[str, Known]) -> None:
    """The same question to both: every item is one that the asking tenant owns."""
    acme, nordwind = everyone["msp-acme-corp"], everyone["msp-nordwind"]
    theirs = {item for wanted in WANTED["msp-nordwind"] for item in (wanted.earlier, wanted.article)}
    for ticket in live_tickets("msp-nordwind").values():
        asked = replace(ticket, requester=Requester(email="controlroom@brisefjord-wind.example"))
        found = {item.id for item in (await acme.gathered(asked)).context}
        assert not found & theirs
        assert not {item for item in found if item.startswith(("NW-", "KB-2"))}
    assert await nordwind.ids(live_tickets("msp-nordwind")["71926"], Source.IP_DATA)


@pytest.mark.parametrize(
    "text", ["", "' OR 1=1 --", "a & | ! ( <-> :*", "\\'", "\x00null", "@msp =x", "🖨️ kaputt", "x" * 65536]
)
async def test_no_text_breaks_a_search(everyone: dict[str, Known], text: str) -> None:
    await everyone["msp-acme-corp"].gathered(Ticket("99003", text, text))


async def test_remembered_counts_find_the_same(known: Known, pool: Pool) -> None:
    counting = Search(pool, WordCounts())
    for ticket in live_tickets(known.name).values():
        text = f"{ticket.subject}\n{ticket.description}"
        similar = (known.tenant_id, text, ticket.end_customer, ticket.ticket_id, 10)
        articles = (known.tenant_id, text, 8)
        for _ in ("counted", "remembered"):
            assert await counting.similar_solved(*similar) == await known.search.similar_solved(*similar)
            assert await counting.articles(*articles) == await known.search.articles(*articles)
