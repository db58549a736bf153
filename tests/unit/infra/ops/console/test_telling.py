"""Values on a page: escaped, with their age, and unknown said so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import Markup, escape

from infra.ops.console.pages.telling import UNKNOWN, age, moment, number, path, percent, query, relative, seconds, shown

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
EVIL = "<script>"


def test_a_time_is_told_in_utc_with_its_age() -> None:
    told = moment(datetime.fromisoformat("2026-01-31T10:58:00+02:00"), NOW)
    assert '<time datetime="2026-01-31T08:58:00Z">2026-01-31 08:58:00 UTC</time>' in told
    assert "2 min ago" in told
    assert moment("2026-01-31T08:58:00Z", NOW) == told


def test_a_text_that_is_no_time_is_shown_as_text() -> None:
    assert moment(EVIL, NOW) == "&lt;script&gt;"
    assert "never" in moment(None, NOW)


@pytest.mark.parametrize(
    ("off", "told"), [(0, "now"), (59, "59 s ago"), (3600, "1 h ago"), (90_000, "1 d ago"), (-7200, "in 2 h")]
)
def test_an_age_is_told_in_its_largest_unit(off: int, told: str) -> None:
    assert relative(NOW - timedelta(seconds=off), NOW) == told


def test_what_is_not_known_is_told_so() -> None:
    assert {number(None), percent(None), seconds(None), age(None)} == {UNKNOWN}
    assert (number(0), percent(0.0), seconds(0.0)) == ("0", "0.0 %", "0.0 s")


def test_a_share_that_just_misses_its_target_is_not_told_as_having_met_it() -> None:
    assert percent(0.94999) == "94.9 %"


@pytest.mark.parametrize("value", [EVIL, {EVIL: EVIL}, [EVIL, EVIL], {"a": [EVIL]}])
def test_values_of_any_shape_are_escaped(value: object) -> None:
    assert EVIL not in escape(shown(value))


def test_known_shapes_read_well() -> None:
    assert shown({"p": 1, "q": None, "r": True}) == "p 1, r yes"
    assert shown(["a", "b"]) == Markup("a<br>b")
    assert (shown(None), shown([]), shown({}), shown(False)) == ("—", "—", "—", "no")


def test_paths_and_queries_are_quoted() -> None:
    assert path("tenants", "a/../b", "x?y") == "/tenants/a%2F..%2Fb/x%3Fy"
    assert query({"q": "a&b", "page": 2}, page=3, none=None) == "?q=a%26b&page=3"
