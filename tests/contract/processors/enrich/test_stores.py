"""What enrich relies on of its stores, on the fakes and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.stream.record import Position
from processors.enrich.fakes import FakeArrivals, FakeEnhancements, FakeReceivedEvents, FakeTickets
from processors.enrich.ports import Arrivals, Enhancements
from schemas import ids
from schemas.events import Requester, Ticket, TicketKind, TicketReceived
from sinks.postgres import arrivals, enhancements, received_events, tickets
from sinks.postgres.arrivals import TakenIn
from sinks.postgres.received_events import Admission

NewTenant = Callable[[], Awaitable[str]]

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TICKET = Ticket("52101", "VPN stops at 98 %", "FortiClient falls back", requester=Requester(email="desk@acme.example"))


@dataclass(frozen=True)
class Kept:
    """Stores of one kind, and two tenants in them."""

    received: FakeReceivedEvents | received_events.ReceivedEvents
    tickets: FakeTickets | tickets.Tickets
    enhancements: Enhancements
    arrivals: Arrivals
    tenant: str
    other: str
    post: Callable[[Kept, TicketReceived, float], Awaitable[None]]
    """Deliver notes down that the event's content was answered so many hours ago."""

    def event(self, name: str = "wh-1", ticket: Ticket = TICKET, tenant: str = "", **changes: Any) -> TicketReceived:
        tenant = tenant or self.tenant
        event = TicketReceived(ids.of_webhook(tenant, name), tenant, TicketKind.CREATED, ticket, NOW, delivery_id=name)
        return replace(event, **changes)

    async def take_in(self, event: TicketReceived, offset: int, body_hash: str = "h", notes: int = 3) -> TakenIn:
        taken = await self.arrivals.take_in(event, at(offset), body_hash, gathering=timedelta(seconds=10), notes=notes)
        assert isinstance(taken, TakenIn)
        return taken


async def fake_posted(kept: Kept, event: TicketReceived, hours: float) -> None:
    assert isinstance(kept.enhancements, FakeEnhancements)
    await kept.enhancements.posted(event.tenant_id, event.ticket_id, event.ticket.content_hash, "77")
    row = kept.enhancements.begun[event.tenant_id, event.ticket_id, event.ticket.content_hash]
    row.posted_at = datetime.now(UTC) - timedelta(hours=hours)


@pytest.fixture
async def in_postgres(pool: Pool, superuser: Pool, new_tenant: NewTenant) -> Kept:
    async def posted(kept: Kept, event: TicketReceived, hours: float) -> None:
        where = (event.tenant_id, event.ticket_id, event.ticket.content_hash)
        await enhancements.Enhancements(superuser).posted(*where, "77")
        await superuser.execute(
            "UPDATE enhancements SET posted_at = posted_at - make_interval(secs => $4)"
            " WHERE tenant_id = $1 AND ticket_id = $2 AND content_hash = $3",
            *where,
            hours * 3600,
        )

    return Kept(
        received_events.ReceivedEvents(pool),
        tickets.Tickets(pool),
        enhancements.Enhancements(pool),
        arrivals.Arrivals(pool),
        await new_tenant(),
        await new_tenant(),
        posted,
    )


@pytest.fixture(params=["fake", "postgres"])
def kept(request: pytest.FixtureRequest) -> Kept:
    if request.param == "fake":
        received = FakeReceivedEvents()
        fake_tickets = FakeTickets(received)
        begun = FakeEnhancements(fake_tickets)
        taking_in = FakeArrivals(received, fake_tickets, begun)
        return Kept(received, fake_tickets, begun, taking_in, "a", "b", fake_posted)
    real: Kept = request.getfixturevalue("in_postgres")
    return real


def at(offset: int, partition: int = 3) -> Position:
    return Position("tickets.received", partition, offset)


async def test_an_event_is_fresh_until_it_is_done_with_and_at_its_own_position_for_ever(kept: Kept) -> None:
    event = kept.event()
    assert await kept.received.admit(event, at(7), "h") is Admission.FRESH
    assert await kept.received.admit(event, at(9), "h") is Admission.FRESH
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.received.admit(event, at(9), "h") is Admission.FRESH
    assert await kept.received.admit(event, at(11), "h") is Admission.COPY


async def test_a_dropped_event_is_done_with_too(kept: Kept) -> None:
    event = kept.event()
    await kept.received.admit(event, at(7), "h")
    await kept.received.mark(kept.tenant, event.event_id, "dropped", "unchanged")
    await kept.received.mark(kept.tenant, event.event_id, "dropped", "unchanged")
    assert await kept.received.admit(event, at(8), "h") is Admission.COPY


async def test_events_that_are_marked_at_once_are_each_done_with_in_their_own_tenant_and_no_other_is(
    kept: Kept,
) -> None:
    mine, theirs, open_still = kept.event("wh-1"), kept.event("wh-2", tenant=kept.other), kept.event("wh-3")
    same_id = replace(kept.event("wh-1", tenant=kept.other), event_id=mine.event_id)
    events = [mine, theirs, open_still, same_id]
    for event in events:
        await kept.received.admit(event, at(7), "h")

    done_with = (
        kept.received.mark(event.tenant_id, event.event_id, "published", None) for event in (mine, theirs, mine)
    )
    await asyncio.gather(*done_with)

    found = [await kept.received.admit(event, at(8), "h") for event in events]
    assert found == [Admission.COPY, Admission.COPY, Admission.FRESH, Admission.FRESH]


async def test_another_body_under_the_same_id_is_a_conflict_whether_done_with_or_not(kept: Kept) -> None:
    event = kept.event()
    await kept.received.admit(event, at(7), "h")
    assert await kept.received.admit(event, at(8), "other") is Admission.CONFLICT
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.received.admit(event, at(8), "other") is Admission.CONFLICT
    assert await kept.received.admit(event, at(7), "h") is Admission.FRESH


async def test_at_its_own_position_an_event_is_fresh_though_another_release_makes_another_hash_of_it(
    kept: Kept,
) -> None:
    event = kept.event()
    await kept.received.admit(event, at(7), "h")
    assert await kept.received.admit(event, at(7), "hash of another release") is Admission.FRESH
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.received.admit(event, at(7), "hash of another release") is Admission.FRESH
    assert await kept.received.admit(event, at(8), "h") is Admission.COPY


@pytest.mark.parametrize(
    ("known", "late", "newest"),
    [
        (timedelta(minutes=2), timedelta(minutes=1), "known"),
        (timedelta(minutes=2), timedelta(minutes=2), "late"),
        (timedelta(minutes=1), timedelta(minutes=2), "late"),
        (None, timedelta(minutes=1), "late"),
        (timedelta(minutes=2), None, "late"),
        (timedelta(days=40_000), timedelta(minutes=1), "late"),
    ],
    ids=[
        "overtaken",
        "same time",
        "in order",
        "first without a time",
        "late without a time",
        "a desk's clock gone wrong",
    ],
)
async def test_a_webhook_that_was_overtaken_is_older_by_the_desks_own_time(
    kept: Kept, known: timedelta | None, late: timedelta | None, newest: str
) -> None:
    def ticket(text: str, after: timedelta | None) -> Ticket:
        updated = None if after is None else NOW + after
        return replace(TICKET, description=text, updated_at=updated, content_hash="")

    tickets_of = {"known": ticket("the edit", known), "late": ticket("before the edit", late)}
    await kept.tickets.store(kept.event("wh-1", tickets_of["known"]), at(5))
    state = await kept.tickets.store(kept.event("wh-2", tickets_of["late"]), at(6))
    assert state.newest_hash == tickets_of[newest].content_hash


async def test_the_newest_content_of_a_ticket_is_that_of_the_highest_offset(kept: Kept) -> None:
    old = kept.event("wh-1")
    edited = replace(TICKET, description="now the mail too", content_hash="")
    new = kept.event("wh-2", edited)
    assert (await kept.tickets.store(new, at(9))).newest_hash == edited.content_hash
    state = await kept.tickets.store(old, at(7))
    assert (state.newest_hash, state.newest_offset) == (edited.content_hash, 9)


async def test_a_newer_event_takes_over_and_a_repetition_changes_nothing(kept: Kept) -> None:
    edited = replace(TICKET, description="now the mail too", content_hash="")
    await kept.tickets.store(kept.event("wh-1"), at(7))
    for _ in range(2):
        state = await kept.tickets.store(kept.event("wh-2", edited), at(9))
        assert (state.newest_hash, state.newest_offset) == (edited.content_hash, 9)


async def test_content_belongs_to_the_event_that_began_it(kept: Kept) -> None:
    first, echo = kept.event("wh-1"), kept.event("wh-2", received_at=NOW + timedelta(seconds=9))
    assert await kept.enhancements.begin(first)
    assert await kept.enhancements.begin(first)
    assert not await kept.enhancements.begin(echo)
    assert await kept.enhancements.begin(kept.event("wh-3", replace(TICKET, subject="else", content_hash="")))


def said(what: str, **changes: Any) -> Ticket:
    return replace(TICKET, **({"description": what, "content_hash": ""} | changes))


async def test_a_tickets_first_event_gathers_nothing_and_an_edit_begins_a_window(kept: Kept) -> None:
    first = await kept.tickets.store(kept.event("wh-1"), at(1))
    assert first.edits_since is None
    echo = await kept.tickets.store(kept.event("wh-2", kind=TicketKind.UPDATED, received_at=after(5)), at(2))
    assert echo.edits_since is None
    edit = kept.event("wh-3", said("B"), kind=TicketKind.UPDATED, received_at=after(20))
    for _ in range(2):  # a redelivery finds the same window
        assert (await kept.tickets.store(edit, at(3))).edits_since == after(20)


async def test_a_window_lasts_from_its_first_edit_and_then_a_new_one_begins(kept: Kept) -> None:
    await kept.tickets.store(kept.event("wh-0"), at(0))
    for number, (second, since) in enumerate([(20, 20), (24, 20), (29.9, 20), (30, 30), (39, 30), (18, 30)], 1):
        edit = kept.event(f"wh-{number}", said(f"{second}"), kind=TicketKind.UPDATED, received_at=after(second))
        assert (await kept.tickets.store(edit, at(number), timedelta(seconds=10))).edits_since == after(since)


async def test_an_edge_whose_clock_is_ahead_begins_no_window_in_the_future(kept: Kept) -> None:
    await kept.tickets.store(kept.event("wh-1"), at(1))
    ahead = datetime.now(UTC) + timedelta(hours=1)
    state = await kept.tickets.store(kept.event("wh-2", said("B"), received_at=ahead), at(2))
    assert state.edits_since
    assert state.edits_since < ahead - timedelta(minutes=59)


@pytest.mark.parametrize(
    "changes",
    [{"kind": TicketKind.RECONCILED}, {"kind": TicketKind.CLOSED}, {"ticket": said("B", status="Closed")}],
)
async def test_what_is_late_anyway_or_closes_the_ticket_begins_no_window(kept: Kept, changes: dict[str, Any]) -> None:
    await kept.tickets.store(kept.event("wh-1"), at(1))
    event = kept.event("wh-2", **({"ticket": said("B")} | changes))
    state = await kept.tickets.store(event, at(2))
    assert (state.newest_offset, state.edits_since) == (2, None)


async def test_a_ticket_is_closed_until_a_newer_event_says_otherwise(kept: Kept) -> None:
    assert not (await kept.tickets.store(kept.event("wh-1"), at(1))).closed
    assert (await kept.tickets.store(kept.event("wh-2", kind=TicketKind.CLOSED), at(2))).closed
    assert (await kept.tickets.store(kept.event("wh-1"), at(1))).closed
    assert not (await kept.tickets.store(kept.event("wh-3", kind=TicketKind.UPDATED), at(3))).closed


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def replay(event: TicketReceived, run: str = "run-1", **changes: Any) -> TicketReceived:
    event_id = ids.of_replayed(event.event_id, run)
    return replace(event, event_id=event_id, kind=TicketKind.REPLAYED, replay_of=event.event_id, **changes)


async def test_a_replay_leaves_newer_history_alone(kept: Kept) -> None:
    old, new = kept.event("wh-1"), kept.event("wh-2", said("B"))
    for number, event in enumerate((old, new), 1):
        await kept.received.admit(event, at(number), "h")
        await kept.tickets.store(event, at(number))
    state = await kept.tickets.store(replay(old), at(9))
    assert (state.newest_hash, state.newest_offset) == (new.ticket.content_hash, 2)
    again = await kept.tickets.store(replay(new), at(10))
    assert (again.newest_hash, again.newest_offset) == (new.ticket.content_hash, 2)
    later = await kept.tickets.store(kept.event("wh-3", said("C")), at(3))
    assert later.newest_offset == 3, "a replay's own place says nothing of how old its content is"


async def test_a_replay_of_what_was_lost_before_it_was_stored_fills_it_in_at_its_place(kept: Kept) -> None:
    old, lost = kept.event("wh-1"), kept.event("wh-2", said("B"))
    await kept.tickets.store(old, at(1))
    await kept.received.admit(lost, at(2), "h")
    state = await kept.tickets.store(replay(lost), at(9))
    assert (state.newest_hash, state.newest_offset, state.edits_since) == (lost.ticket.content_hash, 2, None)
    assert (await kept.tickets.store(kept.event("wh-3", said("C")), at(3))).newest_offset == 3


async def test_a_replay_of_a_replay_leaves_newer_history_alone_too(kept: Kept) -> None:
    old, new = kept.event("wh-1"), kept.event("wh-2", said("B"))
    first = replay(old)
    for event, number in ((old, 1), (new, 2), (first, 9)):
        await kept.received.admit(event, at(number), "h")
        await kept.tickets.store(event, at(number))
    state = await kept.tickets.store(replay(first, "run-2"), at(12))
    assert state.newest_hash == new.ticket.content_hash


@pytest.mark.parametrize(
    ("known", "replayed", "taken"),
    [(5, 9, True), (9, 5, False), (5, 5, False), (None, 9, False), (5, None, False), (None, None, False)],
)
async def test_where_nobody_knows_where_the_original_stood_the_desks_time_decides(
    kept: Kept, known: float | None, replayed: float | None, taken: bool
) -> None:
    mine, theirs = (None if at is None else after(at) for at in (known, replayed))
    await kept.tickets.store(kept.event("wh-1", said("A", updated_at=mine)), at(4))
    event = replay(kept.event("wh-2", said("B", updated_at=theirs)))
    state = await kept.tickets.store(event, at(9))
    assert (state.newest_hash == event.ticket.content_hash) is taken
    assert state.newest_offset == 4


async def test_replays_of_tickets_that_nobody_knows_any_more_are_kept_in_their_order(kept: Kept) -> None:
    """As after the database was lost."""
    for number, what in enumerate("AB"):
        event = replay(kept.event(what, said(what)))
        assert (await kept.tickets.store(event, at(number))).newest_hash == event.ticket.content_hash
    live = kept.event("wh-3", said("C"), kind=TicketKind.UPDATED)
    state = await kept.tickets.store(live, at(0))
    assert (state.newest_hash, state.edits_since) == (live.ticket.content_hash, None), "the first that was received"


async def test_a_replay_takes_over_what_its_original_began_and_never_ended(kept: Kept) -> None:
    event = kept.event("wh-1")
    await kept.received.admit(event, at(1), "h")
    assert await kept.enhancements.begin(event)
    first, second = replay(event), replay(event, "run-2")
    for number, run in enumerate((first, second), 2):  # the first run's may have been lost, too
        await kept.received.admit(run, at(number), "h")
        assert await kept.enhancements.begin(run)
    assert not await kept.enhancements.begin(event)
    echo = kept.event("wh-2")
    assert not await kept.enhancements.begin(replay(echo)), "another's is left alone"


async def test_a_replay_takes_over_nothing_that_was_answered(kept: Kept) -> None:
    event = kept.event("wh-1")
    await kept.enhancements.begin(event)
    await kept.post(kept, event, 0)
    assert not await kept.enhancements.begin(replay(event))


async def test_content_is_anothers_while_it_is_answered_or_being_answered_for_another_event(kept: Kept) -> None:
    first, echo = kept.event("wh-1"), kept.event("wh-2")
    assert not await kept.enhancements.anothers(first)
    await kept.enhancements.begin(first)
    assert [await kept.enhancements.anothers(event) for event in (first, echo)] == [False, True]
    await kept.enhancements.dropped(*where(first), "ticket_closed")
    assert not await kept.enhancements.anothers(echo)
    await kept.enhancements.begin(first)
    await kept.post(kept, first, 0)
    assert await kept.enhancements.anothers(echo)


def where(event: TicketReceived) -> tuple[str, str, str]:
    return event.tenant_id, event.ticket_id, event.ticket.content_hash


async def test_notes_of_a_day_are_counted_and_the_next_content_ends_without_one(kept: Kept) -> None:
    for what, hours in (("A", 25), ("B", 23), ("C", 0)):
        event = kept.event(what, said(what))
        await kept.enhancements.begin(event)
        await kept.post(kept, event, hours)
    under_way, newest = kept.event("D", said("D")), kept.event("E", said("E"))
    for event in (under_way, newest):
        await kept.enhancements.begin(event)
    assert not await kept.enhancements.limited(newest, 3), "what is under way is overtaken"
    assert not await kept.enhancements.anothers(newest)
    assert await kept.enhancements.limited(newest, 2)
    assert await kept.enhancements.begin(kept.event("F", said("E"))), "a later event with the content takes it over"
    other = kept.event("G", replace(TICKET, ticket_id="52102"))
    await kept.enhancements.begin(other)
    assert not await kept.enhancements.limited(other, 1)


async def test_a_repetition_of_what_was_answered_last_is_not_limited_by_its_own_note(kept: Kept) -> None:
    event = kept.event("wh-1")
    await kept.enhancements.begin(event)
    await kept.post(kept, event, 0)
    assert not await kept.enhancements.limited(event, 1)


async def test_content_is_superseded_only_while_the_ticket_says_something_else(kept: Kept) -> None:
    first, edit = kept.event("wh-1"), kept.event("wh-2", said("B"))
    await kept.tickets.store(first, at(1))
    await kept.enhancements.begin(first)
    assert not await kept.enhancements.superseded(*where(first))
    await kept.tickets.store(edit, at(2))
    assert await kept.enhancements.superseded(*where(first))
    assert await kept.enhancements.begin(kept.event("wh-3")), "dropped: the edit back takes it over"


async def test_what_arrives_is_kept_and_begun_and_the_same_again_after_a_crash(kept: Kept) -> None:
    event = kept.event("wh-1")
    for _ in range(2):
        assert await kept.take_in(event, 7) == TakenIn(
            Admission.FRESH, tickets.TicketState(event.ticket.content_hash, 7), begun=True, limited=False
        )
    assert await kept.enhancements.anothers(kept.event("wh-2"))


async def test_a_copy_and_a_conflict_are_neither_kept_nor_begun(kept: Kept) -> None:
    event = kept.event("wh-1")
    await kept.received.admit(event, at(7), "h")
    await kept.received.mark(kept.tenant, event.event_id, "published", None)
    assert await kept.take_in(event, 9) == TakenIn(Admission.COPY)
    assert await kept.take_in(event, 9, "other") == TakenIn(Admission.CONFLICT)
    assert not await kept.enhancements.anothers(kept.event("wh-2"))
    assert (await kept.tickets.store(kept.event("wh-3"), at(1))).newest_offset == 1


async def test_content_of_another_event_is_kept_and_not_begun_again(kept: Kept) -> None:
    await kept.take_in(kept.event("wh-1"), 1)
    taken = await kept.take_in(kept.event("wh-2"), 2)
    assert (taken.begun, taken.limited) == (False, False)
    assert taken.state == tickets.TicketState(TICKET.content_hash, 2)


@pytest.mark.parametrize(
    ("before", "arriving"),
    [
        ({}, {"kind": TicketKind.CLOSED}),
        ({"kind": TicketKind.CLOSED, "offset": 9}, {}),
        ({"ticket": "B", "offset": 9}, {}),
        ({"ticket": "B", "offset": 1}, {}),
        ({}, {"kind": TicketKind.CLOSED, "offset": 1}),
    ],
    ids=["it closes its ticket", "the ticket is closed", "overtaken", "edits are gathered", "older, and closing"],
)
async def test_what_stands_in_the_way_of_an_answer_is_left_to_the_caller(
    kept: Kept, before: dict[str, Any], arriving: dict[str, Any]
) -> None:
    for name, changes in (("wh-1", {"offset": 4, **before}), ("wh-2", {"offset": 5, **arriving})):
        ticket = said(changes.pop("ticket", "A"))
        taken = await kept.take_in(event := kept.event(name, ticket, **_without_offset(changes)), changes["offset"])
    assert (taken.admission, taken.begun, taken.limited) == (Admission.FRESH, None, False)
    assert taken.state == await kept.tickets.store(event, at(changes["offset"])), "kept all the same"


def _without_offset(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name != "offset"}


async def test_a_ticket_that_had_its_notes_of_a_day_is_limited_unless_an_operator_asks_again(kept: Kept) -> None:
    for what in "AB":
        event = kept.event(what, said(what))
        await kept.enhancements.begin(event)
        await kept.post(kept, event, 1)
    event = kept.event("wh-1", said("C"))
    assert not (await kept.take_in(event, 1, notes=3)).limited
    again = replay(event, again=True)
    taken = await kept.take_in(again, 2, notes=2)
    assert (taken.begun, taken.limited) == (True, False)
    taken = await kept.take_in(replay(event, "run-2"), 3, notes=2)
    assert (taken.begun, taken.limited) == (True, True)
    assert not await kept.enhancements.anothers(event), "ended without a note"


async def test_tenants_do_not_see_each_other(kept: Kept) -> None:
    mine, theirs = kept.event("wh-1"), kept.event("wh-1", tenant=kept.other)
    await kept.received.admit(mine, at(7), "h")
    await kept.received.mark(kept.tenant, mine.event_id, "published", None)
    await kept.tickets.store(mine, at(7))
    await kept.enhancements.begin(mine)
    same_id = replace(theirs, event_id=mine.event_id)
    assert await kept.received.admit(same_id, at(2, 4), "other") is Admission.FRESH
    assert (await kept.tickets.store(theirs, at(2, 4))).newest_offset == 2
    assert await kept.enhancements.begin(theirs)
