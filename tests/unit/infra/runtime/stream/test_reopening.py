"""A tenant that was changed is tried again at once; and what metrics show of holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from infra.runtime.stream.fakes import FixedLimits, Limit, ManualClock, MemoryHolds
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.hold_gauges import SHOWN_CLOSED, HoldGauges
from infra.runtime.stream.outcomes import Hold, Scope
from infra.runtime.stream.record import Position
from infra.runtime.stream.reopening import Reopening
from infra.runtime.telemetry import metrics
from schemas.reasons import Reason

T, PARTITION = "msp-acme-corp", 3


class World:
    def __init__(self) -> None:
        for metric in (metrics.LANE_HELD, metrics.LANE_BREAKER):
            metric.clear()
        self.clock = ManualClock()
        self.holds = HoldBook("deliver", MemoryHolds(), self.clock)
        self.limits = FixedLimits(Limit(T, PARTITION, changed_at=self.clock.now()))
        self.reopened = list[int]()
        self.reopening = Reopening(self.holds, self.limits, self.reopened.append)
        self.gauges = HoldGauges(self.holds)

    def hold(self, reason: Reason = Reason.DESK_UNAVAILABLE, scope: Scope = Scope.LANE) -> None:
        at = Position("enhancements.synthesized", PARTITION, 0)
        self.holds.held(Hold(reason, 300.0, scope), tenant_id=T, position=at, ticket_id="1", event_id="e")

    def change(self) -> None:
        changed = self.limits.limits[0].changed_at
        assert changed
        self.limits.limits[0] = replace(self.limits.limits[0], changed_at=changed + timedelta(seconds=1))


@pytest.fixture
def world() -> World:
    return World()


def shown(name: str, **labels: Any) -> float | None:
    return REGISTRY.get_sample_value(name, {"stage": "deliver", "tenant_id": T, **labels})


def test_a_change_of_the_tenant_reopens_its_lane_once(world: World) -> None:
    world.hold()
    world.reopening.look()
    world.reopening.look()
    assert world.reopened == []
    world.change()
    world.reopening.look()
    world.reopening.look()
    assert world.reopened == [PARTITION] and world.holds.closed() == {}


def test_a_change_from_before_the_hold_and_one_of_a_tenant_that_isnt_held_do_nothing(world: World) -> None:
    world.reopening.look()
    world.change()
    world.hold()
    world.reopening.look()
    assert world.reopened == []


def test_a_change_doesnt_hurry_a_ticket(world: World) -> None:
    world.hold(Reason.NOTE_UNCERTAIN, Scope.TICKET)
    world.reopening.look()
    world.change()
    world.reopening.look()
    assert world.reopened == []


def test_what_is_held_shows_by_tenant_and_reason_while_it_is(world: World) -> None:
    name = "ticketstream_lane_held_events"
    world.hold()
    world.gauges.show()
    assert shown(name, reason="desk_unavailable") == 1
    world.holds.settled(Position("enhancements.synthesized", PARTITION, 0), T, succeeded=False)
    world.gauges.show()
    assert shown(name, reason="desk_unavailable") is None


def test_a_breaker_shows_open_half_open_closed_and_then_no_more(world: World) -> None:
    name, seen = "ticketstream_lane_breaker_state", list[float | None]()

    def look() -> None:
        world.gauges.show()
        seen.append(shown(name))

    look()
    world.hold()
    look()
    world.clock.advance(600)
    look()
    world.holds.breakers.succeeded(T)
    look()
    for _ in range(SHOWN_CLOSED + 1):
        world.gauges.show()
    look()
    assert seen == [None, 2, 1, 0, None]


def test_what_is_held_of_an_erased_tenant_runs_at_once_and_is_known_no_more() -> None:
    world, released = World(), list[int]()
    world.reopening = Reopening(world.holds, world.limits, world.reopened.append, released.append)
    world.hold(Reason.NOTE_UNCERTAIN, Scope.EVENT)
    world.reopening.look()
    assert released == [] and world.holds.count == 1
    world.limits.erased = frozenset({PARTITION})
    world.reopening.look()
    assert released == [PARTITION] and world.holds.count == 0
