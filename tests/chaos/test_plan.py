"""A seed decides a run's tickets, faults and their order, so that a run can be had again."""

from __future__ import annotations

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Plan
from tests.chaos.tickets import TOKEN, draw


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert Plan.long(5) == Plan.long(5) and Plan.short(5) == Plan.short(5)
    assert Plan.long(5).faults != Plan.long(6).faults


def test_a_long_run_has_every_fault_and_at_least_25() -> None:
    assert sorted(name for _, name in Plan.long(1).faults) == sorted(FAULTS) and len(FAULTS) >= 25


@pytest.mark.parametrize("seed", range(20))
def test_a_short_run_has_at_least_8_different_faults_while_tickets_come(seed: int) -> None:
    plan = Plan.short(seed)

    assert len({name for _, name in plan.faults}) >= 8
    assert all(0 <= at < plan.sending_seconds for at, _ in plan.faults)


def test_every_content_has_words_of_its_own() -> None:
    plan = Plan.long(3)
    tickets = draw(plan.random, count=500, tenants=5, seconds=10.0, edited=0.3)
    words = [word for ticket in tickets for content in ticket.contents for word in (content.token, content.hidden)]

    assert len(words) == len(set(words)) and all(TOKEN.fullmatch(word) for word in words)
    assert any(len(ticket.contents) == 2 for ticket in tickets)
    assert all(content.token in content.subject for ticket in tickets for content in ticket.contents)
