"""The lag of the last minutes: bounded, a gap where it wasn't known, and drawn within its frame."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.ops.console.pages.lag_drawing import HEIGHT, LEFT, WIDTH, drawn
from infra.ops.console.pages.lag_history import SAMPLES, Chart, LagHistory, Line, chart

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)


def told(lags: dict[str, int] | None, stage: str = "deliver") -> dict[str, Any]:
    tenants = {name: {"lag": lag, "oldest_seconds": 1.0, "held": None} for name, lag in (lags or {}).items()}
    return {"stages": {stage: {"lag": None if lags is None else sum(lags.values()), "tenants": tenants}}, "error": None}


def history(*seen: dict[str, int] | None) -> LagHistory:
    found = LagHistory()
    for number, lags in enumerate(seen):
        found.add(NOW + timedelta(seconds=5 * number), told(lags))
    return found


def test_only_the_last_minutes_are_kept() -> None:
    found = history(*({"msp": 1} for _ in range(SAMPLES + 20)))
    assert len(found.samples) == SAMPLES


def test_a_line_is_the_sum_over_the_tenants_that_a_person_may_touch() -> None:
    found = history({"a": 3, "b": 4}, {"a": 5})
    assert chart(found, None).lines == [Line("deliver", [7, 5])]
    assert chart(found, {"b"}).lines == [Line("deliver", [4, 0])]
    assert chart(found, None, tenant="a").lines == [Line("deliver", [3, 5])]


def test_what_was_not_known_is_a_gap_and_not_zero() -> None:
    line = chart(history({"a": 3}, None, {"a": 4}), None).lines[0]
    assert line.values == [3, None, 4]
    assert (line.now, line.most) == (4, 4)
    path = drawn(Chart([NOW + timedelta(seconds=one) for one in range(3)], [line])).lines[0]["path"]
    assert path.count("M") == 2


def test_by_tenant_the_worst_four_have_a_line_each() -> None:
    found = chart(history({name: number for number, name in enumerate("abcdef", 1)}), None, by_tenant=True)
    assert [line.name for line in found.lines] == ["f", "e", "d", "c"]


def test_a_view_that_is_too_old_is_not_called_current() -> None:
    found = history({"a": 3})
    assert found.current(NOW + timedelta(seconds=14)) is not None
    assert found.current(NOW + timedelta(seconds=16)) is None


def test_lines_stay_within_the_frame_and_ticks_are_whole() -> None:
    found = drawn(chart(history({"a": 0}, {"a": 12_345}, {"a": 7}), None))
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", found.lines[0]["path"])
    assert all(LEFT <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in points)
    assert [text for _, text in found.ticks] == ["0", "5,000", "10,000", "15,000", "20,000"]
    assert drawn(Chart([], [])).lines == []
