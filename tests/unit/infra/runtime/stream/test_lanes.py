"""Lanes against a clock that stands still: rules one by one, then random histories against a naive reference."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from infra.runtime.stream.lanes import Done, Lanes, Later, Verdict
from infra.runtime.stream.outcomes import Scope


class Handle:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    def __init__(self) -> None:
        self.now, self.timers, self.numbers = 1000.0, list[tuple[float, int, Handle]](), count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Handle:
        heapq.heappush(self.timers, (self.now + delay, next(self.numbers), handle := Handle(callback)))
        return handle

    @property
    def armed(self) -> int:
        return sum(handle.callback is not None for _, _, handle in self.timers)

    def step(self, until: float) -> bool:
        """To the next live timer, at most `until`; whether one fired."""
        while self.timers and not self.timers[0][2].callback:
            heapq.heappop(self.timers)
        if not self.timers or self.timers[0][0] > until:
            self.now = until
            return False
        self.now, _, handle = heapq.heappop(self.timers)
        assert handle.callback
        handle.callback()
        return True


@dataclass(frozen=True)
class Ev:
    number: int
    tenant: str
    ticket: str
    partition: int


class World:
    """Lanes with handlers that end when told."""

    def __init__(self, slots: int = 4, cap: int = 2) -> None:
        self.loop, self.clock = asyncio.new_event_loop(), FakeClock()
        self.caps: defaultdict[str, int] = defaultdict(lambda: cap)
        self.started, self.finished, self.failed = list[Ev](), list[Ev](), list[Ev]()
        self.open: dict[Ev, asyncio.Future[Verdict]] = {}
        self.cancelled, self.numbers = list[Ev](), count()
        self.lanes: Lanes[Ev] = Lanes(
            self.handle, self.finished.append, lambda ev, _: self.failed.append(ev),
            cap=lambda tenant: self.caps[tenant], slots=slots, clock=self.clock,
        )  # fmt: skip

    async def handle(self, event: Ev) -> Verdict:
        self.started.append(event)
        self.open[event] = self.loop.create_future()
        try:
            return await self.open[event]
        except asyncio.CancelledError:
            self.cancelled.append(event)
            raise
        finally:
            del self.open[event]

    def run(self, work: Any = None) -> None:
        async def spin() -> None:
            if work is not None:
                await work
            for _ in range(6):
                await asyncio.sleep(0)

        self.loop.run_until_complete(spin())

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        async def inside() -> Any:
            return function(*args)

        result = self.loop.run_until_complete(inside())
        self.run()
        return result

    def put(self, tenant: str, ticket: str = "", partition: int = 0) -> Ev:
        number = next(self.numbers)
        event = Ev(number, tenant, ticket or f"own{number}", partition)
        self.call(self.lanes.put, event, event.tenant, event.ticket, event.partition)
        return event

    def end(self, event: Ev, outcome: Verdict | BaseException | None = None) -> None:
        future = self.open[event]
        self.call(future.set_exception, outcome) if isinstance(outcome, BaseException) else self.call(
            future.set_result, outcome or Done()
        )

    def advance(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.call(self.clock.step, until):
            pass

    def revoke(self, partitions: set[int] | None = None, drain: float | None = None) -> None:
        self.run(self.lanes.revoke(partitions, drain=drain))

    @property
    def running(self) -> list[int]:
        return sorted(event.number for event in self.open)

    def close(self) -> None:
        while self.open:
            self.end(next(iter(self.open)))
        self.loop.close()

    def stuck(self) -> float | None:
        found: float | None = self.call(self.lanes.stuck_since)
        return found


@pytest.fixture
def world() -> Any:
    it = World()
    yield it
    it.close()


def test_tenants_take_turns_and_caps_hold(world: World) -> None:
    for _ in range(6):
        world.put("big")
    small, other = world.put("small"), world.put("other")
    assert world.running == [0, 1, small.number, other.number]  # big has reached its cap of 2
    world.end(small)
    world.end(other)
    assert world.running == [0, 1]
    assert world.lanes.counts() == {"big": {"waiting": 4, "running": 2, "held": 0}}


def test_a_free_slot_goes_to_who_started_least_recently() -> None:
    world = World(slots=1, cap=1)
    for tenant in "zaaabbbccc":
        world.put(tenant)
    while world.open:
        world.end(next(iter(world.open)))
    assert "".join(event.tenant for event in world.started) == "zabcabcabc"


def test_a_raised_cap_and_raised_slots_count_at_the_next_look(world: World) -> None:
    for _ in range(9):
        world.put("a")
    world.caps["a"] = 9
    assert world.stuck() is None and len(world.running) == 4  # the slots
    world.lanes.slots = 7
    world.call(world.lanes.pump)
    assert len(world.running) == 7
    world.caps["a"] = 0
    for event in list(world.open):
        world.end(event)
    assert world.running == [] and world.stuck() is None


def test_events_of_a_ticket_never_overlap_and_keep_their_order(world: World) -> None:
    one, two, three = world.put("a", "k"), world.put("a", "k"), world.put("a", "k")
    other = world.put("a")
    assert world.running == [one.number, other.number]
    world.end(one)
    assert world.running == [two.number, other.number]
    world.end(two, Later(5, Scope.TICKET))
    world.advance(4.9)
    assert world.running == [other.number]
    world.advance(0.2)
    world.end(two)
    assert world.running == [three.number, other.number] and world.finished == [one, two]


def test_a_held_lane_gives_its_slots_back_and_resumes_with_the_held_event(world: World) -> None:
    world.caps["a"] = 1
    old, held = world.put("a", "k"), world.put("a", "x")
    world.put("a", "k")
    world.end(old, Later(1, Scope.TICKET))  # held runs, then closes the lane
    world.end(held, Later(30))
    assert world.running == [] and world.clock.armed == 1
    assert world.lanes.counts() == {"a": {"waiting": 1, "running": 0, "held": 2}}
    assert world.put("b").number in world.running
    world.advance(29)
    assert world.lanes.counts()["a"] == {"waiting": 2, "running": 0, "held": 1} and world.stuck() is None
    world.advance(1)
    assert held in world.open and old not in world.open  # before the older one: the lane was closed for it
    assert world.finished == []  # all still open


def gentle(seconds: float, step: float = inf) -> Later:
    return Later(seconds, gently=step)


def test_a_lane_reopens_with_one_event_and_twice_as_many_with_each_that_is_done(world: World) -> None:
    world.caps["a"], world.lanes.slots = 5, 99
    probe = world.put("a")
    events = [world.put("a") for _ in range(20)]
    already = events[:4]
    world.end(probe, gentle(10))
    world.advance(10)
    assert set(world.open) == {probe, *already}  # what ran already doesn't matter, and shows no health
    for event in already:
        world.end(event)
    assert world.running == [probe.number] and world.stuck() is None
    assert world.lanes.counts()["a"] == {"waiting": 16, "running": 1, "held": 0}
    world.end(probe)
    assert len(world.running) == 2
    world.end(next(iter(world.open)))
    assert len(world.running) == 4
    world.end(next(iter(world.open)), Later(50, Scope.TICKET))  # says neither this nor that
    assert len(world.running) == 4
    world.end(next(iter(world.open)))
    assert len(world.running) == 5 and world.stuck() is None  # its cap


def test_a_probe_that_fails_closes_the_lane_again_and_the_next_is_alone(world: World) -> None:
    world.caps["a"] = 4
    one, two, three = (world.put("a") for _ in range(3))
    world.end(one, gentle(10))
    world.end(two, gentle(10))
    world.end(three, gentle(10))
    world.advance(10)
    world.end(one)
    assert world.running == [two.number, three.number]
    world.end(two, gentle(20))
    world.end(three)  # a probe of the last time
    world.put("a")
    world.put("a")
    world.advance(19)
    assert world.running == [] and world.stuck() is None
    world.advance(1)
    assert world.running == [two.number]


def test_a_gentle_reopening_may_also_go_by_time(world: World) -> None:
    """Where each event takes long, and the trouble shows at once."""
    world.caps["a"], world.lanes.slots = 5, 99
    probe = world.put("a")
    world.end(probe, gentle(2, 0.25))
    for _ in range(8):
        world.put("a")
    seen = list[int]()
    for _ in range(5):
        world.advance(0.25 if seen else 2.0)
        seen.append(len(world.running))
    assert seen == [1, 2, 4, 5, 5] and world.stuck() is None


def test_who_finds_a_lane_closed_by_its_last_owner_reopens_it_gently_too(world: World) -> None:
    for _ in range(2):
        world.end(world.put("a"), Later(10, Scope.TICKET, gently=inf))
    world.put("a", "fine")
    world.advance(10)
    assert len(world.running) == 1


def test_a_lane_that_is_released_runs_all_that_waits_in_it_what_was_put_aside_too(world: World) -> None:
    world.caps["a"] = 3
    held, ticket, aside = world.put("a"), world.put("a", "k"), world.put("a", "l")
    world.end(aside, Later(100, Scope.EVENT))
    world.end(ticket, Later(300, Scope.TICKET))
    world.end(held, gentle(300))
    world.call(world.lanes.release, "a")
    assert sorted(world.running) == sorted([held.number, ticket.number, aside.number]) and world.stuck() is None
    world.call(world.lanes.release, "nobody's")


def test_a_lane_reopened_by_hand_tries_one_event_at_once(world: World) -> None:
    world.caps["a"] = 3
    held, ticket, aside = world.put("a"), world.put("a", "k"), world.put("a", "l")
    world.end(aside, Later(100, Scope.EVENT))
    world.end(ticket, Later(300, Scope.TICKET))
    world.end(held, gentle(300))
    world.advance(1)
    world.call(world.lanes.reopen, "a")
    assert world.running == [held.number] and world.lanes.counts()["a"]["held"] == 1
    world.end(held)
    assert world.running == [ticket.number]
    world.call(world.lanes.reopen, "nobody's")


def test_a_lane_that_is_not_held_is_not_slowed_down_by_reopening(world: World) -> None:
    world.call(world.lanes.reopen, "a")
    world.put("a")
    world.call(world.lanes.reopen, "a")
    world.put("a")
    assert len(world.running) == 2


def test_the_longest_hold_of_a_lane_counts(world: World) -> None:
    one, two = world.put("a"), world.put("a")
    world.end(one, Later(10))
    world.end(two, Later(3))
    world.advance(9)
    assert world.running == []
    world.advance(1)
    assert world.running == [0, 1]


def test_an_event_put_aside_is_overtaken_by_its_ticket_and_then_is_its_next(world: World) -> None:
    world.caps["a"] = 1
    aside, second, third = world.put("a", "k"), world.put("a", "k"), world.put("a", "k")
    world.end(aside, Later(10, Scope.EVENT))
    assert world.running == [second.number]
    assert world.lanes.counts() == {"a": {"waiting": 1, "running": 1, "held": 1}}
    world.advance(10)
    assert world.running == [second.number]  # one at a time, also of a ticket
    world.end(second)
    assert world.running == [aside.number]
    world.end(aside)
    world.end(third)
    assert world.finished == [second, aside, third] and world.lanes.counts() == {}


def test_an_event_put_aside_takes_no_slot_and_is_not_stuck() -> None:
    world = World(slots=1, cap=1)
    aside = world.put("a", "k")
    world.end(aside, Later(10, Scope.EVENT))
    assert world.lanes.counts() == {"a": {"waiting": 0, "running": 0, "held": 1}}
    assert world.stuck() is None and world.clock.armed == 1
    other = world.put("a", "l")
    assert world.running == [other.number]
    world.advance(10)
    assert world.lanes.counts() == {"a": {"waiting": 1, "running": 1, "held": 0}} and world.stuck() is None
    world.end(other)
    assert world.running == [aside.number]
    world.close()


def test_a_held_ticket_keeps_what_was_put_aside_of_it_too(world: World) -> None:
    aside, second = world.put("a", "k"), world.put("a", "k")
    world.end(aside, Later(5, Scope.EVENT))
    world.end(second, Later(20, Scope.TICKET))
    world.advance(19)
    assert world.running == [] and world.stuck() is None
    world.advance(1)
    assert world.running == [aside.number]


def test_a_lane_reopens_with_the_event_that_closed_it_before_one_put_aside(world: World) -> None:
    aside, second = world.put("a", "k"), world.put("a", "k")
    world.end(aside, Later(5, Scope.EVENT))
    world.end(second, Later(20))
    world.advance(20)
    assert world.running == [second.number]
    world.end(second)
    assert world.running == [aside.number]


def test_a_revoke_forgets_what_was_put_aside(world: World) -> None:
    aside, kept = world.put("a", "k", 1), world.put("a", "k", 2)
    world.end(aside, Later(5, Scope.EVENT))
    world.end(kept, Later(5, Scope.EVENT))
    world.revoke({1})
    assert world.lanes.counts() == {"a": {"waiting": 0, "running": 0, "held": 1}}
    world.advance(5)
    assert world.running == [kept.number]
    world.revoke()
    world.end(kept, Later(5, Scope.EVENT))
    assert world.lanes.counts() == {}


def test_a_failed_event_stays_open_and_closes_its_ticket(world: World) -> None:
    bad = world.put("a", "k")
    world.put("a", "k")
    fine = world.put("a")
    world.end(bad, ValueError())
    world.end(fine)
    assert world.failed == [bad] and world.finished == [fine] and world.running == []
    assert world.stuck() is None and world.lanes.counts()["a"]["held"] == 1


def test_detached_handlers_keep_slot_cap_and_ticket_but_report_to_nobody(world: World) -> None:
    one, two = world.put("a", "k"), world.put("a", "l")
    world.put("a", "m")
    world.end(two, Later(50, Scope.TICKET))
    world.revoke()
    again, new = world.put("a", "k"), world.put("a", "n")  # redelivered, and new
    assert one in world.open and again not in world.open and new not in world.open  # m started before: cap 2
    assert world.lanes.counts()["a"]["running"] == 2
    world.end(one)
    assert world.finished == [] and again in world.open
    world.end(again)
    assert world.finished == [again] and new in world.open


def test_a_detached_hold_or_error_changes_nothing(world: World) -> None:
    one, two = world.put("a", "k"), world.put("b", "k")
    world.revoke()
    world.end(one, Later(50))
    world.end(two, ValueError())
    assert world.put("a").number in world.running and world.failed == [] and list(world.lanes.counts()) == ["a"]


def test_draining_reports_what_finishes_and_cancels_the_rest(world: World) -> None:
    quick, slow, later = world.put("a"), world.put("a"), world.put("a")

    async def revoke() -> None:
        draining = asyncio.ensure_future(world.lanes.revoke(drain=0.05))
        await asyncio.sleep(0.01)
        world.open[quick].set_result(Done())
        await draining

    world.run(revoke())
    assert (world.finished, world.cancelled, world.failed) == ([quick], [slow], [])
    assert later not in world.started and world.lanes.counts() == {}


def test_only_the_revoked_partitions_are_forgotten(world: World) -> None:
    gone, kept = world.put("a", "k", 1), world.put("b", "k", 2)
    world.put("a", "k", 1)
    world.end(gone, Later(5))
    world.end(kept, Later(5))
    world.revoke({1})
    assert world.lanes.counts() == {"b": {"waiting": 0, "running": 0, "held": 1}}
    assert world.put("a", partition=1).number in world.running  # the lane is open again
    world.advance(5)
    assert kept in world.open
    world.revoke(set())
    world.end(kept)
    assert world.finished == [kept]


def test_a_revoke_reopens_what_only_forgotten_events_had_closed(world: World) -> None:
    held, running = world.put("a", "k", 1), world.put("a", "l", 1)
    behind = world.put("a", "k", 2)  # a ticket may even change its partition
    world.end(held, Later(50))
    world.revoke({1})
    assert world.running == [running.number, behind.number] and world.lanes.counts()["a"]["running"] == 2


def test_stuck_since_sees_a_lane_the_indexes_have_lost(world: World) -> None:
    world.caps["a"] = 1
    one = world.put("a")
    world.put("a")
    world.lanes._lanes["a"].running += 1  # a leaked count: not under its cap, so not stuck
    world.end(one)
    assert world.stuck() is None
    world.lanes._lanes["a"].running -= 1
    world.lanes._ring.clear()
    first = world.stuck()
    world.advance(60)
    assert first is not None and world.stuck() == first
    world.put("a")
    assert world.stuck() is None


def test_one_timer_however_many_are_held(world: World) -> None:
    for number in range(40):
        world.end(world.put(f"t{number}"), Later(60 - number))
    assert world.clock.armed == 1 and world.running == []
    world.advance(60)
    assert len(world.running) == 4 and world.clock.armed == 0


TENANTS, TICKETS = ("a", "b", "c"), ("k", "l", "m")


class Reference:
    """The rules, naively: one list of events, looked through from the start each time."""

    def __init__(self) -> None:
        self.queued, self.running, self.detached = list[Ev](), list[Ev](), set[Ev]()
        self.due, self.first, self.finished = dict[Ev, float](), set[Ev](), list[Ev]()
        self.aside = set[Ev]()
        self.trials = dict[str, tuple[int, set[Ev]]]()  # limit, and what started since the lane was closed

    def startable(self, tenant: str, now: float, cap: int) -> Ev | None:
        lane = [event for event in self.queued if event.tenant == tenant]
        trial = self.trials.get(tenant)
        if (
            any(self.due[e] > now for e in lane if e in self.first)
            or sum(e.tenant == tenant for e in self.running) >= cap
            or (trial and len(trial[1] & set(self.running)) >= trial[0])
        ):
            return None
        busy = {event.ticket for event in self.running if event.tenant == tenant}
        heads = [self.head([e for e in lane if e.ticket == ticket], now) for ticket in {e.ticket for e in lane} - busy]
        return min((e for e in heads if e), key=lambda e: (e not in self.first, e.number), default=None)

    def head(self, ticket: list[Ev], now: float) -> Ev | None:
        """The oldest; one that is aside counts once it is due, but never passes a ticket's hold or what closed the lane."""
        first = next((e for e in ticket if e not in self.aside), None)
        if first and self.due.get(first, 0) > now:
            return None
        if first in self.first:
            return first
        return next((e for e in ticket if e not in self.aside or self.due[e] <= now), None)


class Model(RuleBasedStateMachine):
    @initialize(slots=st.integers(1, 4), cap=st.integers(1, 3))
    def begin(self, slots: int, cap: int) -> None:
        self.world, self.ref, self.seen = World(slots, cap), Reference(), 0
        self.passed: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()

    def follow(self) -> None:
        """Every start must be the one the reference allows, and afterwards nothing may be left to start."""
        ref, world, now = self.ref, self.world, self.world.clock.now
        for event in world.started[self.seen :]:
            assert len(ref.running) < world.lanes.slots
            assert ref.startable(event.tenant, now, world.caps[event.tenant]) == event
            ref.queued.remove(event)
            ref.running.append(event)
            ref.first.discard(event)
            ref.aside.discard(event)
            ref.due.pop(event, None)
            if event.tenant in ref.trials:
                ref.trials[event.tenant][1].add(event)
            self.passed[event.tenant].clear()
            for tenant in TENANTS:  # fair: nobody starts twice while another could start all the time
                if tenant != event.tenant and ref.startable(tenant, now, world.caps[tenant]):
                    self.passed[tenant][event.tenant] += 1
                    assert self.passed[tenant][event.tenant] <= 1, (tenant, event)
        self.seen = len(world.started)
        for tenant in TENANTS:
            able = ref.startable(tenant, now, world.caps[tenant])
            assert able is None or len(ref.running) >= world.lanes.slots
            if not able:
                self.passed[tenant].clear()

    @rule(tenant=st.sampled_from(TENANTS), ticket=st.sampled_from(TICKETS), partition=st.integers(0, 1))
    def put(self, tenant: str, ticket: str, partition: int) -> None:
        if any(
            e.partition != partition
            for e in self.ref.queued + self.ref.running
            if (e.tenant, e.ticket) == (tenant, ticket)
        ):
            return  # a ticket lives in one partition
        number = next(self.world.numbers)
        self.ref.queued.append(event := Ev(number, tenant, ticket, partition))
        self.world.call(self.world.lanes.put, event, tenant, ticket, partition)
        self.follow()

    @precondition(lambda self: self.ref.running)
    @rule(
        data=st.data(),
        how=st.sampled_from(["done", "done", "lane", "gentle", "ticket", "event"]),
        seconds=st.sampled_from([1.0, 3.0, 3.0, 10.0]),
    )
    def end(self, data: Any, how: str, seconds: float) -> None:
        event = data.draw(st.sampled_from(self.ref.running))
        ref, outcome = (
            self.ref,
            Done()
            if how == "done"
            else Later(seconds, Scope.LANE if how == "gentle" else Scope(how), inf if how == "gentle" else None),
        )
        ref.running.remove(event)
        if event in ref.detached:
            ref.detached.discard(event)
        elif isinstance(outcome, Done):
            ref.finished.append(event)
            if event in (trial := ref.trials.get(event.tenant, (0, set[Ev]())))[1]:
                ref.trials[event.tenant] = (trial[0] * 2, trial[1])
        else:
            ref.queued.insert(0, event)
            ref.queued.sort(key=lambda e: e.number)
            ref.due[event] = self.world.clock.now + seconds
            ref.first |= {event} if how in ("lane", "gentle") else set()
            if how == "gentle":
                ref.trials[event.tenant] = (1, set())
            ref.aside |= {event} if how == "event" else set()
        self.world.end(event, outcome)
        self.follow()

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0]))
    def advance(self, seconds: float) -> None:
        until = self.world.clock.now + seconds
        while self.world.call(self.world.clock.step, until):
            self.follow()
        self.follow()

    @rule(tenant=st.sampled_from(TENANTS), cap=st.integers(0, 3))
    def change_cap(self, tenant: str, cap: int) -> None:
        self.world.caps[tenant] = cap
        assert self.world.stuck() is None
        self.follow()

    @rule(partitions=st.sampled_from([None, {0}, {1}, {0, 1}]), drain=st.booleans())
    def revoke(self, partitions: set[int] | None, drain: bool) -> None:
        ref = self.ref
        gone = {e for e in ref.queued + ref.running if partitions is None or e.partition in partitions}
        late = [e for e in ref.running if e in gone]
        ref.queued = [e for e in ref.queued if e not in gone]
        ref.first -= gone
        ref.detached |= set(late)
        kept = {event.tenant for event in ref.queued if event not in ref.aside}
        ref.trials = {tenant: trial for tenant, trial in ref.trials.items() if tenant in kept}
        self.world.revoke(partitions, 0.001 if drain else None)
        if drain:  # cancelled: they end at once
            assert set(late) <= set(self.world.cancelled)
            ref.running, ref.detached = [e for e in ref.running if e not in gone], ref.detached - gone
        self.follow()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "world"):
            return
        ref, now = self.ref, self.world.clock.now
        assert self.world.finished == ref.finished and not self.world.failed
        assert set(self.world.open) == set(ref.running) and self.world.stuck() is None and self.world.clock.armed <= 1
        expected = {
            tenant: {
                "waiting": sum(e.tenant == tenant and ref.due.get(e, 0) <= now for e in ref.queued),
                "running": sum(e.tenant == tenant for e in ref.running),
                "held": sum(e.tenant == tenant and ref.due.get(e, 0) > now for e in ref.queued),
            }
            for tenant in TENANTS
        }
        assert self.world.lanes.counts() == {tenant: c for tenant, c in expected.items() if any(c.values())}


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=250, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_put_aside_each_event_ends_once_and_the_others_of_a_ticket_keep_their_order(seed: int) -> None:
    """Independent of how lanes work inside: only what was put, started and finished."""
    random, world = Random(seed), World(slots=3, cap=2)
    was_aside = set[int]()
    events = [world.put(random.choice(TENANTS), random.choice(TICKETS)) for _ in range(40)]
    while len(world.finished) < len(events):
        running = list(world.open)
        assert len({(e.tenant, e.ticket) for e in running}) == len(running), "two of one ticket at once"
        if running and random.random() < 0.8:
            event = random.choice(running)
            how = random.choice([None, None, *Scope])
            was_aside |= {event.number} if how is Scope.EVENT else set()
            world.end(event, Later(random.choice([1.0, 4.0]), how, random.choice([None, 0.5, inf])) if how else Done())
        else:
            world.advance(random.choice([0.5, 2.0, 5.0]))
    finished_at = {event.number: place for place, event in enumerate(world.finished)}
    assert sorted(finished_at) == [event.number for event in events] and was_aside
    for ticket in {(e.tenant, e.ticket) for e in events}:
        kept = [e.number for e in events if (e.tenant, e.ticket) == ticket and e.number not in was_aside]
        assert [finished_at[number] for number in kept] == sorted(finished_at[number] for number in kept)
    world.advance(5)
    assert world.lanes.counts() == {} and world.clock.armed == 0
    world.close()
