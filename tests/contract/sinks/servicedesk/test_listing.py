"""What every TicketListing keeps: the fake, and the real client on desks on premises and in the cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from infra.ops.local.servicedesk_simulator import DeskFault, Quirks, RateLimit, Simulator
from infra.ops.local.servicedesk_simulator.settings import DeskKind, DeskSettings
from schemas.reasons import Reason
from schemas.times import to_milliseconds
from sinks.servicedesk.desk_values import time as time_of
from sinks.servicedesk.fakes import FakeListing
from sinks.servicedesk.listing import Cursor, Page, ServiceDeskListing, TicketListing
from sinks.servicedesk.transport import Times
from sinks.servicedesk.types import Gone, Refused, TicketRef
from tests.contract.sinks.servicedesk.conftest import DESK, Real

SINCE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class Listed:
    listing: TicketListing
    add: Callable[..., TicketRef]
    delete: Callable[[TicketRef], None]

    def many(self, number: int, *, apart: timedelta, start: datetime = SINCE) -> list[str]:
        return [self.add(start + index * apart).ticket_id for index in range(number)]

    async def all(self, since: datetime = SINCE, between: Callable[[], None] = lambda: None) -> list[str]:
        """Every ticket that the pages give, each once, as a caller tells copies: by its id."""
        cursor, found, pages = Cursor(since), dict[str, None](), 0
        while True:
            page = await self.listing.page(DESK, cursor)
            assert isinstance(page, Page), page
            assert len(page.tickets) <= 100
            found |= dict.fromkeys(ticket.ticket_id for ticket in page.tickets)
            pages += 1
            assert pages < 20, "the pages never end"
            if page.next is None:
                return list(found)
            cursor = page.next
            between()


@pytest.fixture(params=["fake", "onprem", "cloud", "fields ignored", "failures inside 200"])
async def desk(request: pytest.FixtureRequest, simulator: Simulator) -> AsyncIterator[Listed]:
    if request.param == "fake":
        fake, numbers = FakeListing(), iter(range(1, 10_000))

        def add(created_at: datetime, **fields: object) -> TicketRef:
            ticket = TicketRef(DESK, str(next(numbers)))
            fake.add(ticket, created_at, **fields)
            return ticket

        yield Listed(fake, add, fake.delete)
        return
    kind: DeskKind = "cloud" if request.param == "cloud" else "onprem"
    quirks = {
        "fields ignored": Quirks(fields_required_ignored=True),
        "failures inside 200": Quirks(failures_inside_200=True, response_status="array"),
    }.get(request.param, Quirks())
    real = Real(simulator, kind, Times(connect=2.0, total=5.0), quirks)

    def create(created_at: datetime, **fields: object) -> TicketRef:
        return real.ticket(created_time=str(to_milliseconds(created_at)), **fields)

    yield Listed(ServiceDeskListing(real.client), create, real.delete)
    await real.transport.close()


async def test_an_empty_desk_has_an_empty_page(desk: Listed) -> None:
    assert await desk.listing.page(DESK, Cursor(SINCE)) == Page((), None)


async def test_tickets_come_oldest_first_from_the_time_asked_for(desk: Listed) -> None:
    later, sooner = desk.add(SINCE + SECOND), desk.add(SINCE)
    desk.add(SINCE - SECOND)
    page = await desk.listing.page(DESK, Cursor(SINCE))
    assert isinstance(page, Page)
    assert [ticket.ticket_id for ticket in page.tickets] == [sooner.ticket_id, later.ticket_id]
    assert [ticket.created_at for ticket in page.tickets] == [SINCE, SINCE + SECOND]


async def test_more_than_a_page_is_listed_whole(desk: Listed) -> None:
    made = desk.many(250, apart=SECOND)
    assert await desk.all() == made


@pytest.mark.parametrize("alike", [2, 100, 101, 230])
async def test_tickets_of_the_same_moment_at_a_pages_border_are_not_lost(desk: Listed, alike: int) -> None:
    made = desk.many(99, apart=SECOND)
    made += desk.many(alike, apart=timedelta(0), start=SINCE + 99 * SECOND)
    made += desk.many(99, apart=SECOND, start=SINCE + 100 * SECOND)
    assert sorted(await desk.all()) == sorted(made)


async def test_a_ticket_that_is_deleted_between_two_pages_lets_no_other_slip_through(desk: Listed) -> None:
    made = desk.many(150, apart=SECOND)
    found = await desk.all(between=lambda: desk.delete(TicketRef(DESK, made[3])))
    assert found == made


async def test_closed_tickets_are_listed_as_such(desk: Listed) -> None:
    for status in ("Open", "Closed", "Resolved", "On Hold"):
        desk.add(SINCE, status=status)
    page = await desk.listing.page(DESK, Cursor(SINCE))
    assert isinstance(page, Page)
    assert [ticket.closed for ticket in page.tickets] == [False, True, True, False]


async def test_a_request_is_read_whole(desk: Listed) -> None:
    ticket = desk.add(SINCE, description="<b>98&nbsp;%</b>", requester={"id": "7", "email_id": "a@b.example"})
    request = await desk.listing.request(ticket)
    assert isinstance(request, dict)
    assert (request["id"], request["description"]) == (ticket.ticket_id, "<b>98&nbsp;%</b>")
    assert request["requester"] == {"id": "7", "email_id": "a@b.example"}
    assert time_of(request, "created_time") == SINCE


async def test_a_deleted_request_is_gone(desk: Listed) -> None:
    ticket = desk.add(SINCE)
    desk.delete(ticket)
    assert await desk.listing.request(ticket) == Gone()


@pytest.mark.parametrize(
    ("fault", "reason", "retry_after"),
    [
        (DeskFault(kind="rate_limit", retry_after=7), Reason.DESK_RATE_LIMITED, 7.0),
        (DeskFault(kind="error", status=500), Reason.DESK_UNAVAILABLE, None),
        (DeskFault(kind="garbage"), Reason.DESK_UNAVAILABLE, None),
        (DeskFault(kind="login_page"), Reason.DESK_UNAVAILABLE, None),
        (DeskFault(kind="reset"), Reason.DESK_UNAVAILABLE, None),
        (DeskFault(kind="hang"), Reason.DESK_UNAVAILABLE, None),
    ],
    ids=lambda value: value.kind if isinstance(value, DeskFault) else None,
)
async def test_what_a_desk_in_trouble_says_is_refused_with_the_reason(
    real: Real, fault: DeskFault, reason: Reason, retry_after: float | None
) -> None:
    listing, ticket = ServiceDeskListing(real.client), real.ticket()
    real.fault(fault)
    for answer in (await listing.page(DESK, Cursor(SINCE)), await listing.request(ticket)):
        assert isinstance(answer, Refused)
        assert (answer.reason, answer.retry_after) == (reason, retry_after)


async def test_a_desks_own_rate_limit_is_passed_on(real: Real) -> None:
    real.put_desk(DeskSettings(kind=real.kind, rate_limit=RateLimit(calls=1, seconds=30)))
    listing = ServiceDeskListing(real.client)
    assert isinstance(await listing.page(DESK, Cursor(SINCE)), Page)
    refused = await listing.page(DESK, Cursor(SINCE))
    assert isinstance(refused, Refused)
    assert refused.retry_after is not None
    assert 1 <= refused.retry_after <= 31


async def test_rows_that_make_no_sense_are_counted_and_left_out(real: Real) -> None:
    good = real.ticket(created_time=str(to_milliseconds(SINCE)))
    for created in ("9" * 15, ""):
        real.ticket(created_time=created)
    real.ticket(id="..", created_time=str(to_milliseconds(SINCE)))
    page = await ServiceDeskListing(real.client).page(DESK, Cursor(SINCE - timedelta(days=400)))
    assert isinstance(page, Page)
    assert [ticket.ticket_id for ticket in page.tickets] == [good.ticket_id]
    assert page.unreadable >= 2
