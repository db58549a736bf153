"""Holds: how long, how often, and who knows of them: this worker, and the one that comes after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.stream.breaker import BreakerState
from infra.runtime.stream.fakes import ManualClock, MemoryHolds
from infra.runtime.stream.hold_book import HoldBook, Waiting
from infra.runtime.stream.outcomes import Hold, Scope
from infra.runtime.stream.ports import HeldEvent
from infra.runtime.stream.record import Position
from schemas.reasons import Reason
from tests.unit.infra.runtime.stream.records import NoJitter

T = "msp-acme-corp"
HOUR = 3600.0
DESK = Hold(Reason.DESK_UNAVAILABLE, 30.0, Scope.LANE, "connection refused")
AWAY = PostgresUnavailable("away")


class Owner:
    """One worker's book; several may share a store and a clock."""

    def __init__(self, store: MemoryHolds, clock: ManualClock) -> None:
        self.store, self.clock = store, clock
        self.book = HoldBook("deliver", store, clock, save_again=0.01, random=NoJitter())

    def hold(self, hold: Hold = DESK, *, offset: int = 0, ticket: str | None = None, tenant: str = T) -> HeldEvent:
        return self.book.held(
            hold, tenant_id=tenant, position=at(offset), ticket_id=ticket or str(offset), event_id=f"event-{offset}"
        )

    async def waits(self, *, offset: int = 0, ticket: str | None = None) -> tuple[float, Scope] | None:
        waiting = await self.book.waiting_for(T, at(offset), ticket or str(offset))
        return waiting and (waiting.seconds, waiting.scope)

    def succeed(self, offset: int) -> None:
        self.book.settled(at(offset), T, succeeded=True)


def at(offset: int) -> Position:
    return Position("enhancements.synthesized", 3, offset)


@pytest.fixture
def first() -> Owner:
    return Owner(MemoryHolds(), ManualClock())


@pytest.fixture
def next_owner(first: Owner) -> Owner:
    return Owner(first.store, first.clock)


async def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.005)


def test_attempts_and_the_first_failure_are_counted_on(first: Owner) -> None:
    began = first.clock.now()
    for attempt in range(1, 4):
        held = first.hold()
        assert (held.attempts, held.first_failed_at) == (attempt, began)
        assert held.until == first.clock.now() + timedelta(seconds=30)
        first.clock.advance(30)


def test_a_hold_ends_24_hours_after_the_events_own_first_failure(first: Owner) -> None:
    first.hold(offset=0)
    first.clock.advance(23 * HOUR)
    waited_behind = first.hold(offset=1)
    assert first.book.given_up(first.hold(offset=0)) is None
    first.clock.advance(HOUR + 1)
    assert first.book.given_up(first.hold(offset=0)) is Reason.HELD_TOO_LONG
    assert first.book.given_up(waited_behind) is None


def test_the_24_hours_are_a_setting(first: Owner) -> None:
    book = HoldBook("deliver", first.store, first.clock, timedelta(minutes=1))
    held = book.held(DESK, tenant_id=T, position=at(0), ticket_id="1", event_id="e")
    first.clock.advance(61)
    assert book.given_up(held) is Reason.HELD_TOO_LONG


@pytest.mark.parametrize(
    ("reason", "given_up"),
    [
        (Reason.DESK_UNAVAILABLE, Reason.FAILS_ALONE),
        (Reason.MODEL_UNAVAILABLE, Reason.FAILS_ALONE),
        (Reason.NOTE_UNCERTAIN, Reason.FAILS_ALONE),
        (Reason.DATABASE_UNAVAILABLE, None),
        (Reason.TENANT_DISABLED, None),
        (Reason.DESK_RATE_LIMITED, None),
        (Reason.KEY_UNKNOWN, None),
    ],
)
def test_five_failures_while_others_succeed_are_the_events_own_fault(
    first: Owner, reason: Reason, given_up: Reason | None
) -> None:
    for attempt in range(1, 6):
        held = first.hold(Hold(reason, 1.0))
        first.succeed(100 + attempt)
        assert first.book.given_up(held) is (given_up if attempt == 5 else None)


async def test_a_hold_of_the_event_alone_closes_neither_lane_nor_ticket(first: Owner) -> None:
    first.hold(Hold(Reason.DESK_UNAVAILABLE, 10.0, Scope.EVENT), offset=0, ticket="k")
    assert await first.waits(offset=1, ticket="k") is None
    assert await first.waits(offset=0, ticket="k") == (10.0, Scope.EVENT)
    first.clock.advance(10)
    assert await first.waits(offset=0, ticket="k") is None


async def test_gathering_leaves_no_row(first: Owner) -> None:
    first.hold(Hold(Reason.GATHERING, 10.0, Scope.EVENT))
    await first.book.flush()
    assert first.store.rows == {}


def test_five_failures_are_the_worlds_fault_when_nobody_succeeds(first: Owner) -> None:
    first.succeed(100)  # before the first failure
    first.book.settled(at(101), T, succeeded=False)
    first.book.settled(at(102), "msp-nordwind", succeeded=True)
    for _ in range(9):
        assert first.book.given_up(first.hold()) is None


def test_a_desk_that_goes_down_while_a_neighbours_note_is_under_way_is_the_worlds_fault(first: Owner) -> None:
    first.hold()
    first.succeed(100)
    for seconds in (5, 10, 20, 40, 80, 160, 300, 300):
        first.clock.advance(seconds)
        assert first.book.given_up(first.hold()) is None


@pytest.mark.parametrize("reason", [Reason.DATABASE_UNAVAILABLE, Reason.DESK_RATE_LIMITED, Reason.NOTE_PENDING])
def test_what_the_world_did_before_is_not_held_against_the_event(first: Owner, reason: Reason) -> None:
    for attempt in range(9):
        assert first.book.given_up(first.hold(Hold(reason, 1.0))) is None
        first.succeed(100 + attempt)
    for attempt in range(1, 6):
        held = first.hold()
        first.succeed(200 + attempt)
        assert first.book.given_up(held) is (Reason.FAILS_ALONE if attempt == 5 else None)


def test_failures_while_nobody_succeeds_begin_the_count_anew(first: Owner) -> None:
    for failure in range(4):
        first.succeed(100 + failure)
        assert first.book.given_up(first.hold()) is None
    for failure in range(4):
        assert first.book.given_up(first.hold()) is None
        first.succeed(200 + failure)
    assert first.book.given_up(first.hold()) is Reason.FAILS_ALONE


async def test_the_next_owner_counts_failures_alone_anew(first: Owner, next_owner: Owner) -> None:
    for failure in range(4):
        first.hold()
        first.succeed(100 + failure)
    await first.book.flush()
    next_owner.succeed(200)
    await next_owner.waits()
    held = next_owner.hold()
    assert (held.attempts, next_owner.book.given_up(held)) == (5, None)


def test_a_partition_without_a_tenant_is_wrong_after_a_minute(first: Owner) -> None:
    unknown = Hold(Reason.TENANT_UNKNOWN, 5.0)
    assert first.book.given_up(first.hold(unknown)) is None
    first.clock.advance(61)
    assert first.book.given_up(first.hold(unknown)) is Reason.WRONG_PARTITION


def test_a_key_that_nobody_publishes_holds_an_hour_and_no_longer(first: Owner) -> None:
    unknown = Hold(Reason.KEY_UNKNOWN, 5.0, Scope.TICKET)
    assert first.book.given_up(first.hold(unknown)) is None
    first.clock.advance(HOUR - 1)
    assert first.book.given_up(first.hold(unknown)) is None
    first.clock.advance(2)
    assert first.book.given_up(first.hold(unknown)) is Reason.HELD_TOO_LONG


async def test_the_next_owner_honours_a_lane_that_was_closed(first: Owner, next_owner: Owner) -> None:
    first.hold(offset=7)
    await first.book.flush()
    first.clock.advance(10)
    assert await next_owner.waits(offset=7) == (20.0, Scope.LANE)
    # Others are put back alone: the event that closed the lane is the one that opens it.
    assert await next_owner.waits(offset=8) == (20.0, Scope.TICKET)
    first.clock.advance(20)
    assert await next_owner.waits(offset=7) is None
    assert await next_owner.waits(offset=8) is None


async def test_the_next_owner_honours_a_ticket_that_was_closed_and_lets_others_pass(
    first: Owner, next_owner: Owner
) -> None:
    first.hold(replace(DESK, scope=Scope.TICKET), offset=7, ticket="10042")
    await first.book.flush()
    assert await next_owner.waits(offset=7, ticket="10042") == (30.0, Scope.TICKET)
    assert await next_owner.waits(offset=8, ticket="10042") == (30.0, Scope.TICKET)
    assert await next_owner.waits(offset=9, ticket="10043") is None


async def test_the_next_owner_counts_on_from_the_first_failure(first: Owner, next_owner: Owner) -> None:
    began = first.hold().first_failed_at
    await first.book.flush()
    first.clock.advance(25 * HOUR)
    await next_owner.waits()
    held = next_owner.hold()
    assert (held.attempts, held.first_failed_at) == (2, began)
    assert next_owner.book.given_up(held) is Reason.HELD_TOO_LONG


async def test_events_that_come_while_the_rows_are_read_wait_for_them(first: Owner, next_owner: Owner) -> None:
    first.hold(offset=7)
    await first.book.flush()
    read = first.store.slow = asyncio.Event()
    waiting = [asyncio.ensure_future(next_owner.waits(offset=offset)) for offset in (7, 8, 9)]
    await eventually(lambda: first.store.loads == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    read.set()
    assert [await task for task in waiting[1:]] == [(30.0, Scope.TICKET)] * 2
    assert first.store.loads == 1


async def test_rows_that_arrive_after_a_revoke_are_another_owners(first: Owner, next_owner: Owner) -> None:
    first.hold(offset=7)
    await first.book.flush()
    read = first.store.slow = asyncio.Event()
    waiting = asyncio.ensure_future(next_owner.waits(offset=8))
    await eventually(lambda: first.store.loads == 1)
    next_owner.book.forget()
    read.set()
    await waiting
    assert next_owner.book.count == 0


async def test_a_settled_events_row_is_cleared(first: Owner, next_owner: Owner) -> None:
    first.hold(offset=7)
    await first.book.flush()
    first.succeed(7)
    await first.book.flush()
    assert first.store.rows == {}
    assert await next_owner.waits(offset=8) is None


async def test_a_row_that_is_being_written_while_its_event_is_settled_is_cleared_all_the_same(first: Owner) -> None:
    write = first.store.slow = asyncio.Event()
    first.hold(offset=7)
    flushing = asyncio.ensure_future(first.book.flush())
    await asyncio.sleep(0)
    first.succeed(7)
    write.set()
    await flushing
    assert first.store.rows == {}


async def test_a_hold_that_is_renewed_while_it_is_being_written_is_written_again(first: Owner) -> None:
    write = first.store.slow = asyncio.Event()
    first.hold(offset=7)
    flushing = asyncio.ensure_future(first.book.flush())
    await asyncio.sleep(0)
    first.hold(offset=7)
    write.set()
    await flushing
    await first.book.flush()
    assert first.store.rows[at(7)].attempts == 2


@pytest.mark.parametrize("reason", [Reason.RETRY, Reason.ANSWER_PENDING])
async def test_holds_of_a_moment_leave_no_row(first: Owner, reason: Reason) -> None:
    first.hold(Hold(reason, 1.0))
    await first.book.flush()
    assert first.store.rows == {}


async def test_holds_work_without_postgres_and_are_saved_when_it_is_back(first: Owner) -> None:
    first.store.fails = AWAY
    writing = asyncio.ensure_future(first.book.write_behind())
    assert await first.waits() is None
    assert first.hold(offset=7).attempts == 1
    assert await first.waits(offset=7) == (30.0, Scope.LANE)
    await asyncio.sleep(0.03)
    assert first.store.rows == {}
    first.store.fails = None
    await eventually(lambda: at(7) in first.store.rows)
    first.store.fails = AWAY
    first.succeed(7)
    await asyncio.sleep(0.03)
    first.store.fails = None
    await eventually(lambda: first.store.rows == {})
    writing.cancel()


async def test_rows_that_could_not_be_read_are_read_later(first: Owner, next_owner: Owner) -> None:
    began = first.hold(offset=7).first_failed_at
    await first.book.flush()
    first.store.fails = AWAY
    assert await next_owner.waits(offset=7) is None
    first.clock.advance(1)
    assert next_owner.hold(offset=7).first_failed_at > began
    loads = first.store.loads
    assert await next_owner.waits(offset=8) is not None
    assert first.store.loads == loads  # not with every event: each would wait for the time-out
    first.store.fails = None
    first.clock.advance(10)
    await next_owner.waits(offset=7)
    assert next_owner.hold(offset=7).first_failed_at == began


async def test_a_row_that_postgres_refuses_is_no_obstacle_to_the_others(first: Owner) -> None:
    first.store.refused.add(at(1))
    for offset in (1, 2, 3):
        first.hold(offset=offset)
    await first.book.flush()
    assert set(first.store.rows) == {at(2), at(3)}
    assert first.book.count == 3


async def test_forgetting_leaves_the_rows_to_the_next_owner(first: Owner, next_owner: Owner) -> None:
    first.hold(offset=7)
    await first.book.flush()
    first.book.forget()
    assert first.book.count == 0
    assert await next_owner.waits(offset=7) == (30.0, Scope.LANE)
    assert await first.waits(offset=7) == (30.0, Scope.LANE)  # it may be its own successor


async def test_other_tenants_and_stages_are_not_concerned(first: Owner) -> None:
    first.hold(offset=7, tenant="msp-nordwind")
    await first.book.flush()
    other_stage = HoldBook("enrich", first.store, first.clock)
    assert await first.waits(offset=8) is None
    assert await other_stage.waiting_for("msp-nordwind", at(8), "1") is None


async def test_the_next_owner_goes_on_with_the_same_back_off(first: Owner, next_owner: Owner) -> None:
    down = Hold(Reason.DESK_UNAVAILABLE, 0.0, Scope.LANE)
    for seconds in (5, 10, 20):
        assert first.hold(down).until == first.clock.now() + timedelta(seconds=seconds)
        first.clock.advance(seconds)
    await first.book.flush()
    behind = next_owner.book.waiting_for(T, at(1), "1")
    both = await asyncio.gather(next_owner.book.waiting_for(T, at(0), "0"), behind)
    assert all(one == Waiting(0.0, Scope.TICKET, inf) for one in both)  # it is due, but half open: one at a time
    assert (await next_owner.waits(offset=0), await next_owner.waits(offset=1)) == (None, None)
    assert next_owner.hold(down).until == first.clock.now() + timedelta(seconds=40)


async def test_a_breaker_that_could_not_be_saved_is_saved_later(first: Owner) -> None:
    first.store.fails = AWAY
    first.hold()
    with pytest.raises(PostgresUnavailable):
        await first.book.flush()
    first.store.fails = None
    await first.book.flush()
    assert first.store.breakers[T, "deliver"].failures == 1
    first.clock.advance(30)
    first.succeed(0)
    await first.book.flush()
    assert first.store.breakers == {} and first.store.rows == {}


@pytest.mark.parametrize(
    ("hold", "gently"),
    [
        (DESK, inf),
        (replace(DESK, scope=Scope.TICKET), None),
        (Hold(Reason.DATABASE_UNAVAILABLE, 2.0), 0.25),
        (Hold(Reason.MODEL_UNAVAILABLE, 5.0), 5.0),
        (Hold(Reason.TENANT_DISABLED, 5.0), None),
    ],
)
async def test_a_lane_reopens_gently_where_something_out_there_recovers(
    first: Owner, next_owner: Owner, hold: Hold, gently: float | None
) -> None:
    assert first.book.waiting(first.hold(hold)).gently == gently
    await first.book.flush()
    waiting = await next_owner.book.waiting_for(T, at(0), "0")
    assert waiting is not None and waiting.gently == gently


async def test_a_desk_that_names_a_week_is_asked_again_within_the_holds_age(first: Owner) -> None:
    held = first.hold(Hold(Reason.DESK_RATE_LIMITED, 7 * 24 * HOUR))
    assert held.until - first.clock.now() == timedelta(hours=24)


async def test_reopening_ends_what_closed_the_lane_and_nothing_else(first: Owner, next_owner: Owner) -> None:
    assert await first.waits(offset=0) is None
    first.hold(offset=0)
    first.hold(Hold(Reason.NOTE_UNCERTAIN, 60.0, Scope.TICKET), offset=1)
    assert first.book.closed() == {T: 3}
    assert first.book.reopen(T) and not first.book.reopen(T) and not first.book.reopen("msp-nordwind")
    assert first.book.closed() == {}
    assert (await first.waits(offset=0), await first.waits(offset=5)) == (None, None)
    assert await first.waits(offset=1) == (60.0, Scope.TICKET)
    await first.book.flush()
    assert await next_owner.waits(offset=0) == (0.0, Scope.TICKET)  # due, one at a time
    assert first.store.breakers[T, "deliver"].state is BreakerState.HALF_OPEN


async def test_rows_of_events_that_ended_elsewhere_are_swept_and_close_nothing(first: Owner, next_owner: Owner) -> None:
    for offset in (3, 7):
        first.hold(offset=offset)
    await first.book.flush()
    next_owner.book.committed = lambda _: 7
    assert await next_owner.waits(offset=7) == (30.0, Scope.LANE)
    assert list(first.store.rows) == [at(7)] and next_owner.book.count == 1


def test_what_is_held_is_counted_by_tenant_and_reason(first: Owner) -> None:
    first.hold(offset=0)
    first.hold(offset=1)
    first.hold(Hold(Reason.KEY_UNKNOWN, 5.0, Scope.TICKET), offset=2, tenant="whoever that is")
    assert first.book.counts() == {(T, "desk_unavailable"): 2, ("", "key_unknown"): 1}
