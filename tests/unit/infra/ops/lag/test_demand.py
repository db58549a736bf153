"""Workers that a stage wants for what waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.ops.lag.demand import Waiting, desired_replicas


@pytest.mark.parametrize(
    ("waiting", "wanted"),
    [
        ([], 0),
        ([Waiting(0, 5)], 0),
        ([Waiting(1, 5)], 1),
        ([Waiting(10_000, 5)], 1),  # its cap: more workers wouldn't help
        ([Waiting(10_000, 25), Waiting(10_000, 5, held=True)], 2),
        ([Waiting(500, 5)] * 8, 2),  # 40 slots, and a worker is meant to have 25.6 of its 32 busy
        ([Waiting(500, 50)] * 2, 2),  # 100 slots' worth, but only two partitions
        ([Waiting(1, 5, held=True)] * 60, 3),
    ],
)
def test_demand_is_what_tenants_may_have_at_once(waiting: list[Waiting], wanted: int) -> None:
    assert desired_replicas(waiting, slots=32) == wanted


def test_a_full_use_of_whole_workers_needs_no_further_one() -> None:
    assert desired_replicas([Waiting(8, 8)] * 3, slots=10) == 3  # 24 ÷ 8, not 3.0000000000000004


def test_there_are_never_fewer_than_the_minimum() -> None:
    assert desired_replicas([], slots=8, minimum=2) == 2


@given(
    st.lists(st.builds(Waiting, st.integers(0, 10_000), st.integers(1, 50), st.booleans()), max_size=50),
    st.integers(1, 100),
)
def test_more_waiting_never_wants_fewer(waiting: list[Waiting], slots: int) -> None:
    more = [*waiting, Waiting(3, 5)]
    assert 0 <= desired_replicas(waiting, slots=slots) <= desired_replicas(more, slots=slots) <= len(more)
