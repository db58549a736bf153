"""What is shown of lag: per tenant, exact, and never a number that isn't known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.ops.lag.holds import HeldLane
from infra.ops.lag.offsets import PartitionLag, _ahead, _lag
from infra.ops.lag.view import Seen, build
from infra.runtime.stream.breaker import BreakerState
from schemas.topics import Stage

UNTIL = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
HELD = HeldLane(3, "desk_unavailable", UNTIL, 4, BreakerState.OPEN)
TOPIC = Stage.DELIVER.consumes.named("x-")
EMPTY = Seen({Stage.DELIVER: {}}, {0: "one", 1: "two"}, {}, {}, now=1000.0)


def deliver(seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = build(seen, "x-").as_json()["stages"]["deliver"]
    return found


def test_lag_counts_what_is_done_beyond_the_commit() -> None:
    seen = replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(5, 46, done=40), 1: PartitionLag(7, 7)}})
    found = deliver(seen)
    assert (found["lag"], found["tenants"]["one"]["lag"], found["tenants"]["two"]["lag"]) == (1, 1, 0)


def test_the_age_is_that_of_the_first_record_that_isnt_handled_and_null_where_it_isnt_known() -> None:
    offsets = {Stage.DELIVER: {0: PartitionLag(5, 6), 1: PartitionLag(7, 9)}}
    found = deliver(replace(EMPTY, offsets=offsets, appended={(TOPIC, 0, 5): 940.0, (TOPIC, 1, 7): None}))
    assert found["tenants"]["one"]["oldest_seconds"] == 60.0
    assert found["tenants"]["two"] == {"lag": 2, "oldest_seconds": None, "held": None}
    assert found["oldest_seconds"] == 60.0
    assert deliver(replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(5, 5)}}))["oldest_seconds"] is None


def test_what_is_held_stands_with_its_tenant_as_long_as_it_lags() -> None:
    held = {("deliver", "one"): HELD, ("deliver", "two"): HELD}
    seen = replace(EMPTY, held=held, offsets={Stage.DELIVER: {0: PartitionLag(5, 8), 1: PartitionLag(7, 7)}})
    tenants = deliver(seen)["tenants"]
    assert tenants["one"]["held"] == {
        "events": 3, "reason": "desk_unavailable", "until": "2026-01-31T09:00:00Z", "attempts": 4, "breaker": "open",
    }  # fmt: skip
    assert tenants["two"]["held"] is None


def test_records_that_belong_to_nobody_are_lag_too() -> None:
    found = deliver(replace(EMPTY, offsets={Stage.DELIVER: {9: PartitionLag(0, 4)}}))
    assert (found["lag"], found["unowned"], found["tenants"]) == (4, 4, {})


@pytest.mark.parametrize(
    ("committed", "first", "end", "lag"),
    [
        (None, 0, 9, 9),  # the stage never ran
        (None, 4, 9, 5),
        ((3, 2), 0, 9, 4),
        ((3, 2), 5, 9, 4),  # deleted before it was read: neither lag nor is what was done beyond known
        ((9, 0), 0, 9, 0),
        ((9, 0), 0, 8, 0),  # a topic made anew
    ],
)
def test_lag_of_a_partition(committed: tuple[int, int] | None, first: int, end: int, lag: int) -> None:
    assert _lag(committed, first, end).lag == lag


@pytest.mark.parametrize(
    ("metadata", "ahead"), [("ahead=40\0", 40), ("ahead=40", 40), ("ahead=4\0?~9", 4), ("", 0), (None, 0), ("x=1", 0)]
)
def test_metadata_of_a_commit(metadata: str | None, ahead: int) -> None:
    assert _ahead(metadata) == ahead
