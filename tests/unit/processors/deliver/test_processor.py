"""What becomes of an enhancement."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold, Scope
from processors.deliver.fakes import FakeFeedbackLinks
from processors.deliver.marker import note_key, shown
from processors.deliver.ports import LEASE_SECONDS, Ending, NoteKey, Sent
from processors.deliver.processor import BUSY_SECONDS
from processors.deliver.rendering import NoteRenderer
from schemas.events import DeliveryOutcome, EnhancementDelivered
from schemas.reasons import Reason
from sinks.servicedesk.types import SETTLE_TIME, Note, NotFound, Posted, Refused, TicketRef, Unknown
from tests.unit.processors.deliver.conftest import START, TICKET, Delivery, synthesized

RATE_LIMITED = Refused(Reason.DESK_RATE_LIMITED, "slow down", 17.0)
DOWN = Refused(Reason.DESK_UNAVAILABLE, "refused")
BAD_KEY = Refused(Reason.DESK_CREDENTIAL_REFUSED, "4022")
FORBIDDEN = Refused(Reason.DESK_CREDENTIAL_REFUSED, "4002", ticket_only=True)
REJECTED = Refused(Reason.DESK_REFUSED, "4001: no", code=4001)


def delivered(outcome: object) -> EnhancementDelivered:
    assert isinstance(outcome, Emit | Drop)
    assert isinstance(outcome.event, EnhancementDelivered)
    return outcome.event


async def test_a_note_is_posted_and_reported(delivery: Delivery) -> None:
    outcome = await delivery.run()
    assert isinstance(outcome, Emit)
    event = delivered(outcome)
    assert (event.outcome, event.note_id, event.reason) == (DeliveryOutcome.POSTED, "1", None)
    assert (event.times.delivered_at, event.total_ms) == (START, 40_000)
    assert shown(note_key(synthesized()).marker) in delivery.notes[0]
    assert delivery.row() == ("success", "1")
    assert delivery.desk.looked == 0  # nobody can have written it before


async def test_a_redelivery_emits_the_same_event_and_writes_nothing(delivery: Delivery) -> None:
    first = await delivery.run()
    delivery.clock.pass_by(3600)
    delivery.desk.tickets[TICKET].status = "Closed"
    assert await delivery.run() == first
    assert len(delivery.notes) == 1


async def test_another_event_about_the_same_content_gets_no_second_note(delivery: Delivery) -> None:
    await delivery.run()
    delivery.clock.pass_by(60)
    outcome = await delivery.run(synthesized("two"))
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.ALREADY_ANSWERED
    assert delivered(outcome).outcome is DeliveryOutcome.DROPPED
    delivery.clock.pass_by(60)
    assert await delivery.run(synthesized("two")) == outcome
    assert len(delivery.notes) == 1
    assert delivery.row() == ("success", "1")


async def test_a_replay_that_asks_for_it_gets_a_second_note_once(delivery: Delivery) -> None:
    await delivery.run()
    again = synthesized("again", again=True)
    first = await delivery.run(again)
    assert isinstance(first, Emit)
    assert await delivery.run(again) == first
    assert len(delivery.notes) == 2


async def test_a_note_about_changed_content_says_that_it_replaces_the_earlier_one(delivery: Delivery) -> None:
    await delivery.run()
    await delivery.run(synthesized("edit", content_hash="b" * 64))
    assert "replaces our note of 2026-11-20 09:00 UTC" in delivery.notes[1]
    assert "replaces" not in delivery.notes[0]


async def test_a_note_that_an_operator_asked_for_says_so(delivery: Delivery) -> None:
    await delivery.run()
    await delivery.run(synthesized("again", again=True))
    assert "This replaces our note of 2026-11-20 09:00 UTC, at the request of an operator." in delivery.notes[1]
    assert "has changed" not in delivery.notes[1]
    delivery.clock.pass_by(60)
    await delivery.run(synthesized("edit", content_hash="b" * 64))
    assert "The ticket has changed: this replaces our note of 2026-11-20 09:00 UTC." in delivery.notes[2]


async def three_notes(delivery: Delivery) -> None:
    for content in "bcd":
        assert isinstance(await delivery.run(synthesized(content, content_hash=content * 64)), Emit)
        delivery.clock.pass_by(3600)


async def test_a_fourth_note_of_a_day_is_dropped_and_a_later_one_is_posted(delivery: Delivery) -> None:
    await three_notes(delivery)
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.NOTE_LIMIT
    assert (delivered(outcome).reason, len(delivery.notes)) == ("note_limit", 3)
    assert delivery.row() == ("dropped", "note_limit")
    delivery.clock.pass_by(21 * 3600)
    assert await delivery.run() == outcome
    assert isinstance(await delivery.run(synthesized("e", content_hash="e" * 64)), Emit)


async def test_a_note_that_may_be_on_the_ticket_counts(delivery: Delivery) -> None:
    delivery.ports = replace(delivery.ports, notes_a_day=1)
    delivery.desk.note_troubles.append(Unknown("reset"))
    await delivery.run(synthesized("b", content_hash="b" * 64))
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.NOTE_LIMIT


async def test_the_limit_binds_neither_an_operator_nor_a_note_that_got_through(delivery: Delivery) -> None:
    await three_notes(delivery)
    assert isinstance(await delivery.run(synthesized("again", content_hash="d" * 64, again=True)), Emit)
    assert len(delivery.notes) == 4
    delivery.ports = replace(delivery.ports, notes_a_day=5)
    delivery.desk.writes_before_trouble = True
    delivery.desk.note_troubles.append(Unknown("reset"))
    await delivery.run()
    delivery.ports = replace(delivery.ports, notes_a_day=1)
    delivery.clock.pass_by(SETTLE_TIME)
    assert delivered(await delivery.run()).note_id == "5"


async def test_an_edit_that_comes_while_the_note_is_looked_for_supersedes_it(delivery: Delivery) -> None:
    """Looking through the notes may take a minute."""
    delivery.desk.note_troubles.append(Unknown("reset"))
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    find = delivery.desk.find

    async def edited_meanwhile(ticket: TicketRef, marker: str) -> Posted | NotFound | Refused:
        delivery.enhancements.newest[TICKET.tenant_id, TICKET.ticket_id] = "b" * 64
        return await find(ticket, marker)

    delivery.desk.find = edited_meanwhile  # type: ignore[method-assign]
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert (outcome.reason, delivery.notes) == (Reason.SUPERSEDED, [])


async def test_two_edits_of_a_ticket_at_two_workers_are_written_one_after_the_other(delivery: Delivery) -> None:
    """As may be after a rebalance: the former owner still writes."""
    posting, go_on, post = asyncio.Event(), asyncio.Event(), delivery.desk.post

    async def slow(ticket: TicketRef, note: Note, *, first_try: bool = False) -> Posted | Refused | Unknown:
        posting.set()
        await go_on.wait()
        return await post(ticket, note, first_try=first_try)

    delivery.desk.post = slow  # type: ignore[method-assign]
    former = asyncio.create_task(delivery.run())
    await posting.wait()
    edit = synthesized("edit", content_hash="b" * 64)
    assert await delivery.run(edit) == Hold(
        Reason.NOTE_PENDING, BUSY_SECONDS, Scope.TICKET, "another worker is at work on this ticket"
    )
    go_on.set()
    assert isinstance(await former, Emit)
    assert isinstance(await delivery.run(edit), Emit)
    assert "this replaces our note of" in delivery.notes[1]


@pytest.mark.parametrize("status", ["Closed", "Resolved"])
async def test_a_closed_ticket_gets_no_note(delivery: Delivery, status: str) -> None:
    delivery.desk.tickets[TICKET].status = status
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.TICKET_CLOSED
    assert delivered(outcome).reason == "ticket_closed"
    assert (delivery.notes, delivery.row()) == ([], ("dropped", "ticket_closed"))


async def test_a_deleted_ticket_gets_no_note(delivery: Delivery) -> None:
    delivery.desk.delete(TICKET)
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.TICKET_DELETED


async def test_a_ticket_deleted_between_reading_and_writing_gets_no_note(delivery: Delivery) -> None:
    delivery.desk.note_troubles.append(Refused(Reason.TICKET_DELETED, "4007"))
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.TICKET_DELETED


async def test_content_that_is_not_the_newest_is_superseded(delivery: Delivery) -> None:
    delivery.enhancements.newest[TICKET.tenant_id, TICKET.ticket_id] = "b" * 64
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.SUPERSEDED
    assert delivery.notes == []


async def test_a_dropped_event_stays_dropped_with_the_same_times(delivery: Delivery) -> None:
    delivery.desk.tickets[TICKET].status = "Closed"
    first = await delivery.run()
    delivery.clock.pass_by(600)
    delivery.desk.tickets[TICKET].status = "Open"
    assert await delivery.run() == first
    assert isinstance(await delivery.run(synthesized("two")), Emit)  # the drop of one input binds no other


@pytest.mark.parametrize("where", ["reading", "writing"])
@pytest.mark.parametrize(
    ("refused", "at_least", "at_most", "scope"),
    [
        (RATE_LIMITED, 17.0, 17.0, Scope.LANE),
        (replace(RATE_LIMITED, retry_after=None), 60.0, 60.0, Scope.LANE),
        (DOWN, 0.0, 0.0, Scope.LANE),  # the breaker's wait
        (replace(DOWN, retry_after=9.0), 9.0, 9.0, Scope.LANE),
        (BAD_KEY, 300.0, 300.0, Scope.LANE),
        (FORBIDDEN, 300.0, 300.0, Scope.TICKET),
    ],
)
async def test_what_is_wrong_with_the_desk_is_waited_for(
    delivery: Delivery, where: str, refused: Refused, at_least: float, at_most: float, scope: Scope
) -> None:
    (delivery.desk.troubles if where == "reading" else delivery.desk.note_troubles).append(refused)
    outcome = await delivery.run()
    assert isinstance(outcome, Hold)
    assert (outcome.reason, outcome.scope, outcome.detail) == (refused.reason, scope, refused.detail)
    assert at_least <= outcome.retry_after <= at_most
    assert delivery.notes == []
    delivery.clock.pass_by(outcome.retry_after)
    assert isinstance(await delivery.run(), Emit)
    assert delivery.desk.looked == 0  # nothing was written for sure: no need to look
    assert len(delivery.notes) == 1


@pytest.mark.parametrize("written", [True, False])
async def test_after_an_unknown_end_the_note_is_looked_for_first(delivery: Delivery, written: bool) -> None:
    delivery.desk.writes_before_trouble = written
    delivery.desk.note_troubles.append(Unknown("reset"))
    held = await delivery.run()
    assert held == Hold(Reason.NOTE_UNCERTAIN, SETTLE_TIME, Scope.TICKET, "reset")
    delivery.clock.pass_by(SETTLE_TIME)
    assert isinstance(await delivery.run(), Emit)
    assert delivery.desk.looked == 1
    assert len(delivery.notes) == 1


async def test_a_refusal_after_an_unknown_end_does_not_make_it_certain(delivery: Delivery) -> None:
    delivery.desk.writes_before_trouble = True
    delivery.desk.note_troubles.append(Unknown("reset"))
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    delivery.desk.troubles += [None, DOWN]  # the ticket can be read, its notes can't
    assert isinstance(await delivery.run(), Hold)
    assert isinstance(await delivery.run(), Emit)
    assert len(delivery.notes) == 1


async def test_a_second_try_that_is_refused_does_not_make_the_first_certain(delivery: Delivery) -> None:
    """The first one's note may show later than it should."""
    delivery.desk.note_troubles += [Unknown("reset"), RATE_LIMITED]
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    assert isinstance(await delivery.run(), Hold)
    delivery.clock.pass_by(SETTLE_TIME)
    assert isinstance(await delivery.run(), Emit)
    assert delivery.desk.looked == 2


@pytest.mark.parametrize("how", ["closed", "superseded"])
async def test_a_note_that_got_through_is_reported_though_the_ticket_went_on(delivery: Delivery, how: str) -> None:
    delivery.desk.writes_before_trouble = True
    delivery.desk.note_troubles.append(Unknown("timeout"))
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    if how == "closed":
        delivery.desk.tickets[TICKET].status = "Closed"
    else:
        delivery.enhancements.newest[TICKET.tenant_id, TICKET.ticket_id] = "b" * 64
    assert delivered(await delivery.run()).note_id == "1"
    assert len(delivery.notes) == 1


async def test_a_note_that_did_not_get_through_is_left_when_the_ticket_closes(delivery: Delivery) -> None:
    delivery.desk.note_troubles.append(Unknown("timeout"))
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    delivery.desk.tickets[TICKET].status = "Closed"
    outcome = await delivery.run()
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.TICKET_CLOSED


@pytest.mark.parametrize("where", ["reading", "writing"])
async def test_what_the_desk_will_never_take_is_set_aside(delivery: Delivery, where: str) -> None:
    (delivery.desk.troubles if where == "reading" else delivery.desk.note_troubles).append(REJECTED)
    assert await delivery.run() == DeadLetter(Reason.DESK_REFUSED, "4001: no")


async def test_a_crash_after_the_note_and_before_its_row_leaves_one_note(delivery: Delivery) -> None:
    async def away(key: NoteKey, ending: Ending, owner: str) -> Ending:
        raise PostgresUnavailable("gone")

    done, delivery.intents.done = delivery.intents.done, away  # type: ignore[method-assign]
    with pytest.raises(PostgresUnavailable):
        await delivery.run()
    delivery.intents.done = done  # type: ignore[method-assign]
    delivery.clock.pass_by(SETTLE_TIME)
    assert isinstance(await delivery.run(), Emit)
    assert len(delivery.notes) == 1


async def test_two_workers_at_once_write_one_note(delivery: Delivery) -> None:
    outcomes = await asyncio.gather(*(delivery.run() for _ in range(5)))
    assert len(delivery.notes) == 1
    assert sum(isinstance(outcome, Emit) for outcome in outcomes) >= 1
    for outcome in outcomes:
        if not isinstance(outcome, Emit):
            assert isinstance(outcome, Hold)
            assert (outcome.reason, outcome.scope) == (Reason.NOTE_PENDING, Scope.TICKET)


async def test_a_worker_that_lost_its_lease_writes_nothing(delivery: Delivery) -> None:
    """While it looks for its note, which may take a minute."""
    delivery.desk.note_troubles.append(Unknown("reset"))
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    find = delivery.desk.find

    async def slow(ticket: TicketRef, marker: str) -> Posted | NotFound | Refused:
        delivery.clock.pass_by(31)  # frozen for longer than its lease
        await delivery.intents.claim(note_key(synthesized()), "the next owner", synthesized())
        return await find(ticket, marker)

    delivery.desk.find = slow  # type: ignore[method-assign]
    assert await delivery.run() == Hold(
        Reason.NOTE_PENDING, BUSY_SECONDS, Scope.TICKET, "the lease on this ticket was lost"
    )
    assert delivery.notes == []


async def test_an_ordinary_note_is_claimed_and_noted_as_sent_at_once(delivery: Delivery) -> None:
    async def never(key: NoteKey, owner: str) -> Sent:
        raise AssertionError("a call too many")

    delivery.intents.sent = never  # type: ignore[method-assign]
    assert isinstance(await delivery.run(), Emit)


async def test_a_note_that_can_not_be_rendered_is_no_note_that_may_be_on_the_ticket(delivery: Delivery) -> None:
    class Broken:
        def render(self, event: object, marker: str, earlier: object) -> Note:
            raise ValueError("a bug")

    mended, delivery.ports = delivery.ports, replace(delivery.ports, renderer=Broken())
    with pytest.raises(ValueError, match="a bug"):
        await delivery.run()
    delivery.ports = mended
    assert isinstance(await delivery.run(), Emit)
    assert delivery.desk.looked == 0


@pytest.mark.parametrize("trouble", [DOWN, BAD_KEY, REJECTED])
async def test_what_is_on_the_ticket_is_reported_whatever_the_desk_says(delivery: Delivery, trouble: Refused) -> None:
    first = await delivery.run()
    delivery.desk.troubles.append(trouble)
    assert await delivery.run() == first


async def test_a_cancelled_delivery_leaves_its_lease_to_run_out_and_stays_uncertain(delivery: Delivery) -> None:
    posting = asyncio.Event()

    async def hangs(ticket: object, note: Note, *, first_try: bool = False) -> object:
        posting.set()
        await asyncio.Event().wait()
        return None

    original = delivery.desk.post
    delivery.desk.post = hangs  # type: ignore[method-assign, assignment]
    running = asyncio.create_task(delivery.run())
    await posting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    delivery.desk.post = original  # type: ignore[method-assign]
    held = await delivery.run()
    assert isinstance(held, Hold)
    assert (held.reason, held.retry_after, delivery.desk.looked) == (Reason.NOTE_PENDING, BUSY_SECONDS, 0)
    delivery.clock.pass_by(LEASE_SECONDS)
    assert isinstance(await delivery.run(), Emit)
    assert delivery.desk.looked == 1


@pytest.mark.parametrize("closed", [False, True])
async def test_what_a_worker_sent_before_it_died_gets_its_time_to_settle(delivery: Delivery, closed: bool) -> None:
    event, key = synthesized(), note_key(synthesized())
    await delivery.intents.claim(key, "the dead one", event)
    await delivery.intents.sent(key, "the dead one")
    await delivery.intents.release(key, "the dead one")  # were its lease shorter than its call
    if closed:
        delivery.desk.tickets[TICKET].status = "Closed"
    delivery.clock.pass_by(12)
    held = await delivery.run(event)
    assert isinstance(held, Hold)
    assert (held.reason, held.retry_after, held.scope) == (Reason.NOTE_PENDING, SETTLE_TIME - 12, Scope.TICKET)
    assert delivery.desk.looked == 0  # too early to tell
    await delivery.desk.post(TICKET, NoteRenderer(FakeFeedbackLinks()).render(event, key.marker, None), first_try=True)
    delivery.clock.pass_by(held.retry_after)
    assert delivered(await delivery.run(event)).note_id == "1"
    assert len(delivery.notes) == 1


async def test_the_time_to_settle_begins_after_the_notes_were_looked_through(delivery: Delivery) -> None:
    find = delivery.desk.find

    async def slowly(ticket: TicketRef, marker: str) -> Posted | NotFound | Refused:
        delivery.clock.pass_by(55)
        return await find(ticket, marker)

    delivery.desk.find = slowly  # type: ignore[method-assign]
    delivery.desk.note_troubles += [Unknown("reset"), Unknown("reset")]
    await delivery.run()
    delivery.clock.pass_by(SETTLE_TIME)
    await delivery.run()
    held = await delivery.run()
    assert isinstance(held, Hold)
    assert (held.reason, held.retry_after) == (Reason.NOTE_PENDING, SETTLE_TIME)


async def test_a_note_that_quotes_ours_is_not_taken_for_it(delivery: Delivery) -> None:
    delivery.desk.note_troubles.append(Unknown("reset"))
    await delivery.run()
    marker = note_key(synthesized()).marker
    quoting = NoteRenderer(FakeFeedbackLinks()).render(synthesized(text=f"See {shown(marker)}."), "f" * 24, None)
    assert marker in quoting.html
    await delivery.desk.post(TICKET, quoting, first_try=True)
    delivery.clock.pass_by(SETTLE_TIME)
    assert delivered(await delivery.run()).note_id == "2"
    assert shown(marker) in delivery.notes[1]
