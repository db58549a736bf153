"""What is shown of lag: per tenant, exact, and never a number that isn't known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.ops.lag.commit_metadata import told
from infra.ops.lag.holds import HeldLane
from infra.ops.lag.limits import LimitedBy
from infra.ops.lag.offsets import PartitionLag, _lag
from infra.ops.lag.owners import Owners
from infra.ops.lag.view import LagView, Scaling, Seen, StageLag, Tenant, build
from infra.ops.lag.wire import Committed
from infra.runtime.stream.breaker import BreakerState
from schemas.topics import Stage

UNTIL = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
HELD = HeldLane(3, "desk_unavailable", UNTIL, 4, BreakerState.OPEN, closed=True)
TOPIC = Stage.DELIVER.consumes.named("x-")
TENANTS = {0: Tenant("one", 5), 1: Tenant("two", 5)}
EMPTY = Seen({Stage.DELIVER: {}}, TENANTS, {}, {}, now=1000.0)
SCALING = Scaling(dict.fromkeys(Stage, 8), 1)
OWNED = {Stage.DELIVER: Owners({0: "a", 1: "b"}, 2)}


def stage(seen: Seen) -> StageLag:
    return build(seen, SCALING, "x-")[Stage.DELIVER]


def deliver(seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = LagView(build(seen, SCALING, "x-")).as_json()["stages"]["deliver"]
    return found


def test_lag_counts_what_is_done_beyond_the_commit() -> None:
    seen = replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(5, 46, done=40), 1: PartitionLag(7, 7)}})
    found = deliver(seen)
    assert (found["lag"], found["tenants"]["one"]["lag"], found["tenants"]["two"]["lag"]) == (1, 1, 0)
    assert found["tenants"]["one"]["done_beyond_commit"] == 40


def test_the_age_is_that_of_the_first_record_that_isnt_handled_and_null_where_it_isnt_known() -> None:
    offsets = {Stage.DELIVER: {0: PartitionLag(5, 6), 1: PartitionLag(7, 9)}}
    found = deliver(replace(EMPTY, offsets=offsets, appended={(TOPIC, 0): 940.0, (TOPIC, 1): None}))
    assert found["tenants"]["one"]["oldest_seconds"] == 60.0
    assert found["tenants"]["two"]["oldest_seconds"] is None
    assert found["oldest_seconds"] == 60.0
    assert deliver(replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(5, 5)}}))["oldest_seconds"] is None


def test_what_nobody_said_is_null() -> None:
    found = deliver(replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(5, 6)}}))
    tenant = found["tenants"]["one"]
    unknown = ("oldest_seconds", "waiting", "in_flight", "rate", "drain_seconds", "limited_by", "held")
    assert {name: tenant[name] for name in unknown} == dict.fromkeys(unknown)
    assert found["workers"] is None


def test_what_is_in_flight_is_what_the_partitions_owner_said_and_no_more_than_lags() -> None:
    offsets = {Stage.DELIVER: {0: PartitionLag(0, 9, 2, running=3), 1: PartitionLag(0, 1, running=5)}}
    tenants = deliver(replace(EMPTY, offsets=offsets, owners=OWNED))["tenants"]
    assert (tenants["one"]["in_flight"], tenants["one"]["waiting"], tenants["one"]["lag"]) == (3, 4, 7)
    assert (tenants["two"]["in_flight"], tenants["two"]["waiting"]) == (1, 0)
    gone = deliver(replace(EMPTY, offsets=offsets, owners={Stage.DELIVER: Owners({1: "b"}, 1)}))["tenants"]["one"]
    assert (gone["in_flight"], gone["waiting"]) == (None, None)


def test_the_time_to_drain_is_lag_by_rate_and_null_where_nothing_moves() -> None:
    offsets = {Stage.DELIVER: {0: PartitionLag(0, 9), 1: PartitionLag(0, 9)}}
    tenants = deliver(replace(EMPTY, offsets=offsets, rates={Stage.DELIVER: {0: 0.5, 1: 0.0}}))["tenants"]
    assert (tenants["one"]["rate"], tenants["one"]["drain_seconds"]) == (0.5, 18.0)
    assert (tenants["two"]["rate"], tenants["two"]["drain_seconds"]) == (0.0, None)


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
    ("at", "held", "limit"),
    [
        (PartitionLag(0, 0, running=0), HELD, None),
        (PartitionLag(0, 9, running=0), HELD, LimitedBy.HOLD),
        (PartitionLag(0, 9, running=5), None, LimitedBy.CAP),
        (PartitionLag(0, 5, running=5), None, None),  # nothing waits
        (PartitionLag(0, 9, running=2), None, LimitedBy.PARTITION),
        (PartitionLag(0, 9), None, None),  # its worker is of a version that doesn't say
    ],
)
def test_what_limits_a_tenant(at: PartitionLag, held: HeldLane | None, limit: LimitedBy | None) -> None:
    held_lanes = {("deliver", "one"): held} if held else {}
    seen = replace(EMPTY, offsets={Stage.DELIVER: {0: at}}, held=held_lanes, owners=OWNED, appended={(TOPIC, 0): 900.0})
    assert stage(seen).tenants["one"].limited_by == limit


def test_slots_limit_where_the_worker_that_owns_the_partition_has_none_left() -> None:
    tenants = {number: Tenant(f"t{number}", 5) for number in range(3)}
    offsets = {number: PartitionLag(0, 9, running=4) for number in range(3)}
    owners = {Stage.DELIVER: Owners({0: "a", 1: "a", 2: "b"}, 2)}
    found = stage(
        replace(EMPTY, offsets={Stage.DELIVER: offsets}, tenants=tenants, owners=owners, appended={(TOPIC, 2): 900.0})
    )
    assert [found.tenants[f"t{n}"].limited_by for n in range(3)] == [
        LimitedBy.SLOTS,
        LimitedBy.SLOTS,
        LimitedBy.PARTITION,
    ]


def test_a_partition_that_nobody_owns_limits_at_once() -> None:
    seen = replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(0, 9, running=5)}}, owners={Stage.DELIVER: Owners()})
    assert stage(seen).tenants["one"].limited_by is LimitedBy.PARTITION


def test_of_what_only_just_came_nothing_is_said_yet() -> None:
    offsets = {Stage.DELIVER: {0: PartitionLag(0, 1, running=0)}}
    assert (
        stage(replace(EMPTY, offsets=offsets, owners=OWNED, appended={(TOPIC, 0): 998.0})).tenants["one"].limited_by
        is None
    )


@pytest.mark.parametrize(
    ("held", "wants"),
    [
        (None, 5),
        (HELD, 1),
        (replace(HELD, closed=False, breaker=BreakerState.CLOSED), 5),  # three tickets of twenty wait: the others go on
        (replace(HELD, closed=False), 1),
        (replace(HELD, closed=False, breaker=BreakerState.CLOSED, events=20), 1),
    ],
)
def test_a_held_tenant_wants_one_slot(held: HeldLane | None, wants: int) -> None:
    held_lanes = {("deliver", "one"): held} if held else {}
    seen = replace(EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(0, 20, running=0)}}, held=held_lanes, owners=OWNED)
    assert stage(seen).demand == wants


def test_a_disabled_tenant_is_held() -> None:
    seen = replace(
        EMPTY, offsets={Stage.DELIVER: {0: PartitionLag(0, 20, running=0)}}, tenants={0: Tenant("one", 5, False)}
    )
    assert (stage(seen).demand, stage(seen).tenants["one"].limited_by) == (1, LimitedBy.HOLD)


def test_scaling_has_whole_numbers_only() -> None:
    offsets = {Stage.DELIVER: {0: PartitionLag(0, 20, running=5), 1: PartitionLag(0, 0)}}
    seen = replace(EMPTY, offsets=offsets, owners=OWNED, appended={(TOPIC, 0): 939.4})
    assert stage(seen).scaling_json(Stage.DELIVER) == {
        "stage": "deliver", "desired_replicas": 1, "lag": 20, "oldest_seconds": 61, "slots": 8,
        "tenants": [
            {"tenant_id": "one", "lag": 20, "oldest_seconds": 61, "limited_by": "cap"},
            {"tenant_id": "two", "lag": 0, "oldest_seconds": 0, "limited_by": None},
        ],
    }  # fmt: skip
    unknown_age = stage(replace(seen, appended={})).scaling_json(Stage.DELIVER)
    assert (unknown_age["lag"], unknown_age["oldest_seconds"]) == (20, None)


@pytest.mark.parametrize(
    ("committed", "first", "end", "lag"),
    [
        (None, 0, 9, 9),  # the stage never ran
        (None, 4, 9, 5),
        (None, None, 0, 0),
        ((3, 2), 0, 9, 4),
        ((3, 2), 5, 9, 4),  # deleted before it was read: neither lag nor is what was done beyond known
        ((9, 0), None, 9, 0),
        ((9, 0), None, 8, 0),  # a topic made anew
    ],
)
def test_lag_of_a_partition(committed: tuple[int, int] | None, first: int | None, end: int, lag: int) -> None:
    said = committed and Committed(committed[0], b"ahead=%d running=1\0" % committed[1], 0)
    assert _lag(said or None, first, end).lag == lag


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (b"ahead=40 running=3\0", (40, 3)),
        (b"ahead=40\0", (40, None)),
        (b"ahead=40", (40, None)),
        (b"ahead=4\0?~9", (4, None)),
        (b"", (0, None)),
        (b"x=1", (0, None)),
        (b"\xff\xfe", (0, None)),
    ],
)
def test_metadata_of_a_commit(metadata: bytes, said: tuple[int, int | None]) -> None:
    assert told(metadata) == said
