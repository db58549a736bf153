"""The breaker of a lane: waits that grow, that respect what the desk asks for, and that end."""

from __future__ import annotations

from random import Random

import pytest

from infra.runtime.stream.breaker import Breakers, BreakerState, LaneBreaker
from infra.runtime.stream.fakes import ManualClock

T, HOUR, DAY = "msp-acme-corp", 3600.0, 86400.0


class Lane:
    def __init__(self, seed: int = 1) -> None:
        self.clock = ManualClock()
        self.breakers = Breakers("deliver", self.clock, Random(seed))

    def fail(self, asked: float = 0.0, tenant: str = T) -> float:
        return self.breakers.failed(tenant, asked=asked, at_most=DAY)

    def fail_after_waiting(self) -> float:
        wait = self.fail()
        self.clock.advance(wait)
        return wait

    def state(self) -> BreakerState:
        return self.breakers.row(T).state


@pytest.fixture
def lane() -> Lane:
    return Lane()


def test_waits_double_from_5_seconds_to_5_minutes_and_are_spread(lane: Lane) -> None:
    for longest in (5, 10, 20, 40, 80, 160, 300, 300):
        assert longest / 2 <= lane.fail_after_waiting() <= longest
    assert Lane(1).fail() != Lane(2).fail()


def test_events_that_fail_in_the_same_wait_count_once(lane: Lane) -> None:
    first = lane.fail()
    assert [lane.fail() for _ in range(9)] == pytest.approx([first] * 9, abs=1e-5)
    assert lane.breakers.row(T).failures == 1


def test_what_the_desk_asks_for_is_never_undercut_and_spread_a_little_upwards() -> None:
    waits = [Lane(seed).fail(60) for seed in range(20)]
    assert min(waits) >= 60 and max(waits) <= 66 and len(set(waits)) == 20


def test_who_says_when_is_asked_again_then_however_often_it_failed(lane: Lane) -> None:
    for _ in range(6):
        lane.fail_after_waiting()
    assert 2 <= lane.fail(asked=2) <= 2.2


def test_a_longer_wait_asked_for_meanwhile_counts(lane: Lane) -> None:
    lane.fail()
    assert lane.fail(60) >= 60
    assert lane.fail() >= 60


def test_nobody_waits_longer_than_an_event_may_be_held(lane: Lane) -> None:
    assert lane.breakers.failed(T, asked=10 * DAY, at_most=HOUR) == HOUR


def test_open_then_half_open_then_closed(lane: Lane) -> None:
    assert lane.state() is BreakerState.CLOSED
    wait = lane.fail()
    assert lane.state() is BreakerState.OPEN
    lane.clock.advance(wait)
    assert lane.state() is BreakerState.HALF_OPEN
    lane.breakers.succeeded(T)
    assert lane.state() is BreakerState.CLOSED and lane.breakers.rows() == []
    assert lane.fail() <= 5  # it begins anew


def test_an_event_that_began_before_and_ends_well_doesnt_close_it(lane: Lane) -> None:
    lane.fail_after_waiting()
    lane.fail()
    lane.breakers.succeeded(T)
    assert lane.breakers.row(T).failures == 2


def test_reopened_by_hand_it_is_half_open_and_remembers_its_failures(lane: Lane) -> None:
    for _ in range(3):
        lane.fail_after_waiting()
    lane.fail()
    lane.breakers.reopen(T)
    assert lane.state() is BreakerState.HALF_OPEN
    assert lane.fail() > 35


def test_tenants_dont_share_one(lane: Lane) -> None:
    for _ in range(5):
        lane.fail_after_waiting()
    assert lane.fail(tenant="msp-nordwind") <= 5


def test_what_the_last_owner_left_counts_together_with_what_failed_since(lane: Lane) -> None:
    wait = lane.fail()
    lane.breakers.remember(LaneBreaker(T, "deliver", BreakerState.HALF_OPEN, 4, lane.clock.now()))
    assert lane.breakers.row(T).failures == 4 and lane.state() is BreakerState.OPEN
    lane.clock.advance(wait)
    assert 40 <= lane.fail() <= 80


def test_what_is_to_be_saved_is_told_once(lane: Lane) -> None:
    lane.clock.advance(lane.fail())
    assert list(lane.breakers.take_unsaved()) == [T] and not lane.breakers.unsaved
    lane.breakers.succeeded(T)
    assert list(lane.breakers.take_unsaved()) == [T]
    lane.breakers.succeeded(T)
    assert not lane.breakers.unsaved
