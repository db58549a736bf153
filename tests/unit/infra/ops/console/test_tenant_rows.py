"""The first page's table: judged by the success criteria, sorted and filtered, and what isn't known never looks like 0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.ops.console.pages.figures import Overview
from infra.ops.console.pages.tenant_rows import Level, TenantLagNow, TenantRow, arranged, filtered, lags_of, rows
from sinks.postgres.console_reading import Figures
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.webhook_secrets import KnownSecret

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
GOOD = Figures(succeeded=99, failed=1, p95=50.0, rating=4.5, ratings=20, tickets=12, last_at=NOW)
NO_LAG = TenantLagNow(0, None, {})


def settings(tenant_id: str, *, enabled: bool = True) -> TenantSettings:
    return TenantSettings(
        tenant_id, 0, enabled, "https://desk.example", "onprem", 5, 120, True, "gpt-4-turbo", 0.7, False, 20.0, 100
    )


def row(
    figures: Figures | None = GOOD, lag: TenantLagNow | None = NO_LAG, *, enabled: bool = True, due: int = 30
) -> TenantRow:
    secret = KnownSecret("1", "aa", NOW, None, NOW + timedelta(days=due))
    overview = Overview(
        {"msp": settings("msp", enabled=enabled)}, {"msp": figures} if figures else {}, {"msp": [secret]}
    )
    (found,) = rows(overview, {"msp": lag} if lag else None, None, NOW)
    return found


def figures(**changed: Any) -> Figures:
    values = {name: getattr(GOOD, name) for name in Figures.__slots__}
    return Figures(**values | changed)


@pytest.mark.parametrize(
    ("found", "level", "why"),
    [
        (row(), Level.OK, []),
        (row(figures(succeeded=92, failed=8)), Level.ATTENTION, ["8 of 100 failed"]),
        (row(figures(succeeded=89, failed=11)), Level.FAILING, ["11 of 100 failed"]),
        (row(figures(p95=61.0)), Level.ATTENTION, ["notes are late"]),
        (row(figures(rating=2.9)), Level.FAILING, ["rated 2.9 of 5"]),
        (row(figures(rating=2.9, ratings=4)), Level.OK, []),
        (row(lag=TenantLagNow(51, 9.0, {})), Level.ATTENTION, ["51 events behind"]),
        (row(lag=TenantLagNow(101, 9.0, {})), Level.FAILING, ["101 events behind"]),
        (row(lag=TenantLagNow(3, 9.0, {"deliver": "desk_unavailable"})), Level.HELD, ["deliver is held: desk_unavailable"]),
        (row(due=-1), Level.ATTENTION, ["webhook secret is overdue"]),
        (row(None), Level.UNKNOWN, ["figures are unknown"]),
        (row(lag=None), Level.UNKNOWN, ["lag is unknown"]),
        (row(None, enabled=False), Level.OFF, ["disabled: its webhooks are refused"]),
    ],
)  # fmt: skip
def test_a_tenant_is_judged_by_the_worst_that_is_known(found: TenantRow, level: Level, why: list[str]) -> None:
    assert (found.level, found.why) == (level, why)


def test_nothing_finished_is_no_success_rate() -> None:
    assert figures(succeeded=0, failed=0).success is None


def test_a_person_sees_the_own_tenants_only() -> None:
    overview = Overview({name: settings(name) for name in ("msp-a", "msp-b")})
    assert [one.tenant_id for one in rows(overview, None, {"msp-b"}, NOW)] == ["msp-b"]


def test_what_is_not_known_comes_last_whichever_way_it_is_sorted() -> None:
    overview = Overview(
        {name: settings(name) for name in ("a", "b", "c")}, {"a": figures(tickets=5), "c": figures(tickets=9)}
    )
    found = rows(overview, None, None, NOW)
    assert [one.tenant_id for one in arranged(found, "rate", down=False)] == ["a", "c", "b"]
    assert [one.tenant_id for one in arranged(found, "rate", down=True)] == ["c", "a", "b"]
    assert [one.tenant_id for one in arranged(found, "nonsense", down=False)] == ["a", "b", "c"]


def test_filtering_looks_at_name_health_and_reasons() -> None:
    found = [row(lag=TenantLagNow(3, 9.0, {"deliver": "desk_unavailable"}))]
    assert filtered(found, "HELD msp") == found
    assert filtered(found, "desk_un") == found
    assert filtered(found, "msp synthesize") == []


def test_a_tenants_lag_is_that_of_all_stages_and_unknown_where_one_is() -> None:
    one = {"lag": 3, "oldest_seconds": 5.0, "held": None}
    held = {"lag": 4, "oldest_seconds": 9.0, "held": {"reason": "desk_unavailable"}}
    told = {"stages": {"enrich": {"lag": 3, "tenants": {"msp": one}}, "deliver": {"lag": 4, "tenants": {"msp": held}}}}
    assert lags_of(told) == {"msp": TenantLagNow(7, 9.0, {"deliver": "desk_unavailable"})}
    told["stages"]["enrich"] = {"lag": None, "tenants": {}}
    assert lags_of(told) is None
    assert lags_of(None) is None
