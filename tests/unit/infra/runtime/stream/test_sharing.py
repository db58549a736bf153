"""Partitions among workers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.runtime.stream.sharing import shared_out


@settings(deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 64))
def test_the_lowest_numbers_are_shared_out_evenly_whatever_came_before(sizes: list[int], partitions: int) -> None:
    owned = dict[str, list[int]]()
    for size in sizes:
        members = [f"worker-{number}" for number in range(size)]
        owned = shared_out(members, owned, partitions)
        assert sorted(number for share in owned.values() for number in share) == list(range(partitions))
        for tenants in range(1, partitions + 1):
            most = max(sum(number < tenants for number in share) for share in owned.values())
            assert most <= -(-tenants // size)


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 4), (4, 3), (9, 10)])
def test_what_a_worker_has_stays_with_it_unless_that_is_uneven(before: int, after: int) -> None:
    first = shared_out([str(number) for number in range(before)], {}, 64)
    then = shared_out([str(number) for number in range(after)], first, 64)

    moved = sum(number not in first.get(member, ()) for member, share in then.items() for number in share)

    assert moved <= 32


def test_a_third_worker_gets_a_third_of_the_tenants() -> None:
    two = shared_out(["a", "b"], {}, 64)
    three = shared_out(["a", "b", "c"], two, 64)

    assert [sum(number < 24 for number in share) for share in three.values()] == [8, 8, 8]


def test_nobody_changes_when_nothing_changed() -> None:
    shares = shared_out(["a", "b", "c"], {}, 64)

    assert shared_out(["c", "a", "b"], shares, 64) == {member: shares[member] for member in ("c", "a", "b")}
