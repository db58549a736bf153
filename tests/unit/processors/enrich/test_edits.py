"""Later edits are gathered, notes are limited, and what comes again by replay or reconcile is answered where it was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from infra.runtime.stream.outcomes import Drop, Emit, Hold, Outcome, Scope
from processors.enrich.fingerprint import fingerprint
from processors.enrich.obstacle import Restraint
from schemas import ids
from schemas.events import Ticket, TicketKind, TicketReceived
from schemas.reasons import Reason
from sinks.postgres.tickets import TicketState
from tests.unit.processors.enrich.stage import NOW, TENANT, TICKET, Enrich, emitted, received

WINDOW = 10.0


def said(what: str, **changes: Any) -> Ticket:
    return replace(TICKET, **({"description": what, "content_hash": ""} | changes))


A, B, C, D, E = (said(what) for what in "ABCDE")


def edit(name: str, ticket: Ticket, after: float, **changes: Any) -> TicketReceived:
    """A webhook about the ticket, received so many seconds after the first."""
    return received(
        name, ticket, **({"kind": TicketKind.UPDATED, "received_at": NOW + timedelta(seconds=after)} | changes)
    )


@pytest.fixture
async def enrich() -> Enrich:
    """The ticket's first content, A, is being answered."""
    stage = Enrich()
    await stage.done(received("first", A), 1)
    return stage


def held(outcome: Outcome, seconds: float) -> None:
    assert isinstance(outcome, Hold), outcome
    assert (outcome.reason, outcome.scope) == (Reason.GATHERING, Scope.EVENT)
    assert outcome.retry_after == pytest.approx(seconds)


def dropped(outcome: Outcome, reason: Reason) -> None:
    assert isinstance(outcome, Drop), outcome
    assert outcome.reason is reason


async def posted(enrich: Enrich, ticket: Ticket) -> None:
    await enrich.enhancements.posted(TENANT, ticket.ticket_id, ticket.content_hash, "77")


async def answered(enrich: Enrich, name: str, ticket: Ticket, offset: int) -> None:
    """An edit whose note is posted, an hour after the last."""
    enrich.clock.pass_by(3600)
    after = (enrich.clock.now() - NOW).total_seconds()
    event = edit(name, ticket, after)
    held(await enrich.handle(event, offset), WINDOW)
    enrich.clock.pass_by(WINDOW)
    assert isinstance(await enrich.done(event, offset), Emit)
    await posted(enrich, ticket)


@pytest.mark.parametrize("kind", [TicketKind.CREATED, TicketKind.UPDATED, TicketKind.RECONCILED, TicketKind.REPLAYED])
async def test_a_tickets_first_event_is_never_delayed(kind: TicketKind) -> None:
    emitted(await Enrich().handle(received("first", A, kind=kind), 1))


@pytest.mark.parametrize("kind", [TicketKind.UPDATED, TicketKind.CREATED])
async def test_a_later_edit_waits_its_window_whatever_the_desk_calls_it(enrich: Enrich, kind: TicketKind) -> None:
    event = edit("edit", B, 0, kind=kind)
    held(await enrich.handle(event, 2), WINDOW)
    assert enrich.row(event) == (None, None), "a copy of it must not be taken for one that was handled"
    enrich.clock.pass_by(9.5)
    held(await enrich.handle(event, 2), 0.5)
    enrich.clock.pass_by(0.5)
    assert emitted(await enrich.handle(event, 2)).ticket == B


async def test_of_the_edits_of_a_window_the_last_is_answered_when_it_ends(enrich: Enrich) -> None:
    edits = [edit("b", B, 0), edit("c", C, 4), edit("d", D, 9)]
    left = (WINDOW, 6.0, 1.0)
    for offset, (event, seconds) in enumerate(zip(edits, left, strict=True), 2):
        enrich.clock.at = event.received_at
        held(await enrich.handle(event, offset), seconds)
    enrich.clock.at = NOW + timedelta(seconds=WINDOW)
    dropped(await enrich.done(edits[0], 2), Reason.SUPERSEDED)
    dropped(await enrich.done(edits[1], 3), Reason.SUPERSEDED)
    assert emitted(await enrich.done(edits[2], 4)).ticket == D
    assert enrich.row(edits[0]) == ("dropped", "superseded")


async def test_a_steady_stream_of_edits_starves_nobody(enrich: Enrich) -> None:
    """An edit a second for a minute: a note for each window's last one."""
    waiting: dict[int, tuple[TicketReceived, float]] = {}
    notes = []
    for second in range(60):
        enrich.clock.at = NOW + timedelta(seconds=second)
        runs = {offset: event for offset, (event, due) in waiting.items() if due <= second}
        for offset, event in (runs | {second + 2: edit(f"{second}", said(f"{second}"), second)}).items():
            waiting.pop(offset, None)
            outcome = await enrich.handle(event, offset)
            if isinstance(outcome, Hold):
                waiting[offset] = (event, second + outcome.retry_after)
            elif isinstance(outcome, Emit):
                notes.append(second)
    assert notes == [10, 20, 30, 40, 50]


async def test_an_event_that_waited_already_as_long_as_a_window_does_not_wait(enrich: Enrich) -> None:
    enrich.clock.pass_by(WINDOW)
    emitted(await enrich.handle(edit("late", B, 0), 2))


async def test_clocks_that_disagree_delay_nobody_longer_than_a_window(enrich: Enrich) -> None:
    ahead = edit("ahead", B, 3600)
    held(await enrich.handle(ahead, 2), WINDOW)  # from when the database saw it
    enrich.clock.pass_by(WINDOW)
    emitted(await enrich.handle(ahead, 2))
    worker_is_behind = Restraint().waits(edit("b", B, 0), TicketState("", 2, edits_since=NOW), NOW - timedelta(hours=2))
    assert worker_is_behind == 0


async def test_without_a_window_an_edit_is_answered_at_once(enrich: Enrich) -> None:
    enrich.restraint = Restraint(timedelta(0))
    emitted(await enrich.handle(edit("b", B, 0), 2))


async def test_our_own_echo_in_a_window_is_dropped_at_once_and_opens_none(enrich: Enrich) -> None:
    echo = edit("echo", replace(A, status="Open"), 1)
    dropped(await enrich.done(echo, 2), Reason.UNCHANGED)
    enrich.clock.pass_by(2)
    held(await enrich.handle(edit("b", B, 2), 3), WINDOW)
    dropped(await enrich.done(edit("back", A, 2), 4), Reason.UNCHANGED)


async def test_the_same_content_said_twice_in_a_window_is_answered_once_when_it_ends(enrich: Enrich) -> None:
    first, again = edit("b", B, 0), edit("b-again", replace(B, status="Open"), 3)
    held(await enrich.handle(first, 2), WINDOW)
    enrich.clock.pass_by(3)
    held(await enrich.handle(again, 3), WINDOW - 3)
    enrich.clock.pass_by(WINDOW - 3)
    emitted(await enrich.done(first, 2))
    dropped(await enrich.done(again, 3), Reason.UNCHANGED)


async def test_edited_there_and_back_in_a_window_leaves_the_note_that_is_there(enrich: Enrich) -> None:
    await posted(enrich, A)
    there, back = edit("b", B, 0), edit("a", A, 5)
    held(await enrich.handle(there, 2), WINDOW)
    dropped(await enrich.done(back, 3), Reason.UNCHANGED)
    enrich.clock.pass_by(WINDOW)
    dropped(await enrich.done(there, 2), Reason.SUPERSEDED)


async def test_edited_there_and_back_is_answered_where_the_first_content_never_was(enrich: Enrich) -> None:
    there, back = edit("b", B, 0), edit("a", A, 5)
    held(await enrich.handle(there, 2), WINDOW)
    assert await enrich.enhancements.superseded(TENANT, A.ticket_id, A.content_hash)  # further on, before the edit back
    enrich.clock.pass_by(5)
    held(await enrich.handle(back, 3), WINDOW - 5)
    enrich.clock.pass_by(WINDOW - 5)
    dropped(await enrich.done(there, 2), Reason.SUPERSEDED)
    assert emitted(await enrich.done(back, 3)).ticket == A


@pytest.mark.parametrize("content", [B, C])
async def test_a_ticket_that_closes_in_a_window_is_not_answered(enrich: Enrich, content: Ticket) -> None:
    event = edit("b", B, 0)
    held(await enrich.handle(event, 2), WINDOW)
    closing = edit("close", replace(content, status="Closed"), 5, kind=TicketKind.CLOSED)
    dropped(await enrich.done(closing, 3), Reason.NOT_FOR_ENHANCEMENT)
    enrich.clock.pass_by(WINDOW)
    dropped(await enrich.done(event, 2), Reason.TICKET_CLOSED if content is B else Reason.SUPERSEDED)


async def test_a_ticket_that_is_reopened_is_answered(enrich: Enrich) -> None:
    event = edit("b", B, 0)
    held(await enrich.handle(event, 2), WINDOW)
    await enrich.done(edit("close", replace(B, status="Closed"), 2), 3)
    enrich.clock.pass_by(WINDOW)
    dropped(await enrich.done(event, 2), Reason.TICKET_CLOSED)
    emitted(await enrich.done(edit("reopen", B, 20), 4))


async def test_a_copy_of_an_edit_that_waits_is_answered_once(enrich: Enrich) -> None:
    """As when two edges took the same webhook at the same instant."""
    event = edit("b", B, 0)
    held(await enrich.handle(event, 2), WINDOW)
    held(await enrich.handle(event, 3), WINDOW)
    enrich.clock.pass_by(WINDOW)
    emitted(await enrich.done(event, 2))
    dropped(await enrich.done(event, 3), Reason.DUPLICATE)


async def test_a_worker_that_takes_over_in_a_window_waits_for_the_rest_of_it(enrich: Enrich) -> None:
    """After a crash or a rebalance everything not handled is delivered again, in order."""
    first, second = edit("b", B, 0), edit("c", C, 4)
    for offset, event in ((2, first), (3, second)):
        await enrich.handle(event, offset)
    enrich.clock.pass_by(7)
    dropped(await enrich.done(first, 2), Reason.SUPERSEDED)
    held(await enrich.handle(second, 3), 3)
    held(await enrich.handle(edit("d", D, 7), 4), 3)
    enrich.clock.pass_by(3)
    dropped(await enrich.done(second, 3), Reason.SUPERSEDED)
    emitted(await enrich.done(edit("d", D, 7), 4))


async def test_what_began_and_was_overtaken_before_it_was_published_does_not_stay_pending(enrich: Enrich) -> None:
    event = received("first", A)  # delivered again: the worker died between row and output
    await enrich.handle(edit("b", B, 1), 2)
    dropped(await enrich.done(event, 1), Reason.SUPERSEDED)
    row = enrich.enhancements.begun[TENANT, A.ticket_id, A.content_hash]
    assert (row.status, row.reason) == ("dropped", "superseded")


async def test_a_fourth_note_of_a_day_is_not_begun_and_an_edit_after_it_is_answered(enrich: Enrich) -> None:
    await posted(enrich, A)
    await answered(enrich, "b", B, 2)
    await answered(enrich, "c", C, 3)
    enrich.clock.pass_by(60)
    after = (enrich.clock.now() - NOW).total_seconds()
    fourth = edit("d", D, after)
    held(await enrich.handle(fourth, 4), WINDOW)
    enrich.clock.pass_by(WINDOW)
    dropped(await enrich.done(fourth, 4), Reason.NOTE_LIMIT)
    assert enrich.row(fourth) == ("dropped", "note_limit")
    row = enrich.enhancements.begun[TENANT, D.ticket_id, D.content_hash]
    assert (row.status, row.reason) == ("dropped", "note_limit")
    enrich.clock.pass_by(24 * 3600)
    emitted(await enrich.done(edit("e", E, after), 5))
    emitted(await enrich.done(edit("d-again", D, after), 6))


async def test_the_limit_is_a_setting_and_binds_no_operator(enrich: Enrich) -> None:
    await posted(enrich, A)
    enrich.restraint = Restraint(timedelta(0), notes_a_day=1)
    lost = edit("b", B, 1)
    dropped(await enrich.done(lost, 2), Reason.NOTE_LIMIT)
    dropped(await enrich.done(replayed(lost, "run-1"), 3), Reason.NOTE_LIMIT)
    assert emitted(await enrich.done(replayed(lost, "run-2", again=True), 4)).again


def replayed(event: TicketReceived, run: str = "run", **changes: Any) -> TicketReceived:
    event_id = ids.of_replayed(event.event_id, run)
    return replace(event, event_id=event_id, kind=TicketKind.REPLAYED, replay_of=event.event_id, **changes)


async def test_a_replay_of_what_was_lost_is_answered(enrich: Enrich) -> None:
    emitted(await enrich.done(replayed(received("first", A)), 9))


async def test_a_replay_of_what_was_answered_is_answered_again_only_if_that_is_asked_for(enrich: Enrich) -> None:
    await posted(enrich, A)
    first = received("first", A)
    dropped(await enrich.done(replayed(first), 8), Reason.UNCHANGED)
    again = replayed(first, "run-2", again=True)
    once = emitted(await enrich.done(again, 9))
    assert once.again
    assert emitted(await enrich.done(again, 9)).event_id == once.event_id
    dropped(await enrich.done(again, 11), Reason.DUPLICATE)  # the same run, sent again


@pytest.mark.parametrize("again", [True, False])
async def test_a_replay_of_older_content_is_superseded(enrich: Enrich, again: bool) -> None:
    enrich.clock.pass_by(WINDOW)
    await enrich.done(edit("b", B, 0), 2)
    dropped(await enrich.done(replayed(received("first", A), again=again), 9), Reason.SUPERSEDED)
    dropped(await enrich.done(edit("echo", B, 1), 10), Reason.UNCHANGED)


async def test_a_replay_of_an_edit_that_was_set_aside_is_answered_at_once(enrich: Enrich) -> None:
    lost = edit("b", B, 0)
    await enrich.handle(lost, 2)  # it waits, and then it fails
    emitted(await enrich.done(replayed(lost), 9))


@pytest.mark.parametrize("answered", [True, False])
async def test_what_reconcile_finds_is_unchanged_where_it_is_known(enrich: Enrich, answered: bool) -> None:
    if answered:
        await posted(enrich, A)
    dropped(await enrich.done(reconciled(A), 5), Reason.UNCHANGED)


def reconciled(ticket: Ticket) -> TicketReceived:
    event_id = ids.of_reconciled(TENANT, ticket.ticket_id, ticket.content_hash)
    return received("", ticket, event_id=event_id, kind=TicketKind.RECONCILED, delivery_id=None)


async def test_what_reconcile_finds_twice_is_a_copy_though_the_ticket_moved_on_otherwise(enrich: Enrich) -> None:
    emitted(await enrich.done(reconciled(B), 5))
    later = reconciled(replace(B, status="In Progress", priority="High", updated_at=NOW))
    assert fingerprint(later) == fingerprint(reconciled(B))
    dropped(await enrich.done(later, 9), Reason.DUPLICATE)
