"""What the demo says beside "lost"."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from infra.ops.demo.held import HeldLane, where_the_lost_are

STATE = Path("/srv/state")


def test_a_held_lane_is_named_with_its_reason_and_its_log() -> None:
    lane = HeldLane("msp-acme-corp", "deliver", "desk_unavailable", 3, datetime(2026, 5, 4, 8, 0, tzinfo=UTC))

    (line,) = where_the_lost_are([lane], STATE)

    assert "msp-acme-corp in deliver: 3 waiting (desk_unavailable)" in line
    assert line.endswith("see /srv/state/logs/deliver.log")


def test_where_nothing_is_held_the_log_is_the_place_to_look() -> None:
    assert where_the_lost_are([], STATE) == ["LOST   no lane is held: see /srv/state/logs/deliver.log"]
