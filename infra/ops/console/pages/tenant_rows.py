"""The first page's table: how each tenant is doing, judged by the success criteria; sorted and filtered. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from infra.ops.console.pages.figures import Overview
from sinks.postgres.console_reading import Figures

SUCCESS_TARGET, SUCCESS_RED = 0.95, 0.90
P95_TARGET = 60.0
RATING_TARGET, RATING_RED, RATINGS_AT_LEAST = 4.0, 3.0, 5
LAG_HIGH, LAG_RED = 50, 100
MOST_ROWS = 1000


class Level(IntEnum):
    """The worst of what is known, the worst first."""

    FAILING = 0
    HELD = 1
    ATTENTION = 2
    UNKNOWN = 3
    OFF = 4
    OK = 5

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def sign(self) -> str:
        return _SIGNS[self]


_SIGNS = {
    Level.FAILING: "✗",
    Level.HELD: "‖",
    Level.ATTENTION: "!",
    Level.UNKNOWN: "?",
    Level.OFF: "–",
    Level.OK: "✓",
}


@dataclass(frozen=True, slots=True)
class TenantLagNow:
    """Of one tenant over all stages; `held` are the stages whose events wait for something, and for what."""

    lag: int
    oldest_seconds: float | None
    held: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TenantRow:
    """What None is isn't known."""

    tenant_id: str
    level: Level
    why: Sequence[str]
    lag: TenantLagNow | None
    figures: Figures | None
    secret_due: datetime | None
    secret_overdue: bool


def rows(
    overview: Overview, lags: Mapping[str, TenantLagNow] | None, own: Collection[str] | None, now: datetime
) -> list[TenantRow]:
    """A row for each tenant that the person may touch, `own`; None for all."""
    return [_row(overview, lags, name, now) for name in overview.tenants if own is None or name in own]


def lags_of(lag: Mapping[str, Any] | None) -> dict[str, TenantLagNow] | None:
    """From the lag service's object; None where any stage isn't known: a part would be shown as the whole."""
    stages = (lag or {}).get("stages") or {}
    if not stages or any(stage.get("lag") is None for stage in stages.values()):
        return None
    found: dict[str, TenantLagNow] = {}
    for name, stage in stages.items():
        for tenant_id, one in stage["tenants"].items():
            before = found.get(tenant_id, TenantLagNow(0, None, {}))
            ages = [age for age in (before.oldest_seconds, one["oldest_seconds"]) if age is not None]
            held = {**before.held, **({name: str(one["held"]["reason"])} if one.get("held") else {})}
            found[tenant_id] = TenantLagNow(before.lag + one["lag"], max(ages, default=None), held)
    return found


def filtered(found: Sequence[TenantRow], text: str) -> list[TenantRow]:
    """Those whose name, health or reasons have every word of the text, in any case of letters."""
    words = text.lower().split()
    return [row for row in found if all(word in _searched(row) for word in words)]


def arranged(found: Sequence[TenantRow], column: str, *, down: bool) -> list[TenantRow]:
    """By one of COLUMNS, then by name; what isn't known comes last either way. An unknown column is `health`."""
    key = COLUMNS.get(column, COLUMNS["health"])
    named = sorted(found, key=lambda row: row.tenant_id)
    known = [row for row in named if key(row) is not None]
    known.sort(key=key, reverse=down)
    return known + [row for row in named if key(row) is None]


def _row(overview: Overview, lags: Mapping[str, TenantLagNow] | None, tenant_id: str, now: datetime) -> TenantRow:
    secrets = overview.secrets.get(tenant_id, ())
    due = secrets[0].due if secrets else None
    figures, lag = overview.figures.get(tenant_id), (lags or {}).get(tenant_id)
    overdue = due is not None and due < now
    level, why = _judged(overview.tenants[tenant_id].enabled, figures, lag, overdue=overdue)
    return TenantRow(tenant_id, level, why, lag, figures, due, overdue)


def _judged(
    enabled: bool, figures: Figures | None, lag: TenantLagNow | None, *, overdue: bool
) -> tuple[Level, list[str]]:
    if not enabled:
        return Level.OFF, ["disabled: its webhooks are refused"]
    found = [*_of_lag(lag), *(_of_figures(figures) if figures else [])]
    if overdue:
        found.append((Level.ATTENTION, "webhook secret is overdue"))
    if figures is None or lag is None:
        found.append((Level.UNKNOWN, "figures are unknown" if figures is None else "lag is unknown"))
    found.sort(key=lambda one: one[0])
    return (found[0][0], [why for _, why in found]) if found else (Level.OK, [])


def _of_lag(lag: TenantLagNow | None) -> list[tuple[Level, str]]:
    if lag is None:
        return []
    found = [(Level.HELD, f"{stage} is held: {reason}") for stage, reason in lag.held.items()]
    if lag.lag > LAG_HIGH:
        found.append((Level.FAILING if lag.lag > LAG_RED else Level.ATTENTION, f"{lag.lag} events behind"))
    return found


def _of_figures(figures: Figures) -> list[tuple[Level, str]]:
    found: list[tuple[Level, str]] = []
    if figures.success is not None and figures.success < SUCCESS_TARGET:
        level = Level.FAILING if figures.success < SUCCESS_RED else Level.ATTENTION
        found.append((level, f"{figures.failed} of {figures.succeeded + figures.failed} failed"))
    if figures.p95 is not None and figures.p95 > P95_TARGET:
        found.append((Level.ATTENTION, "notes are late"))
    if figures.rating is not None and figures.ratings >= RATINGS_AT_LEAST and figures.rating <= RATING_TARGET:
        level = Level.FAILING if figures.rating < RATING_RED else Level.ATTENTION
        found.append((level, f"rated {figures.rating:.1f} of 5"))
    return found


def _searched(row: TenantRow) -> str:
    return " ".join((row.tenant_id, row.level.word, *row.why)).lower()


def _of(figure: Callable[[Figures], float | None]) -> Callable[[TenantRow], Any]:
    return lambda row: figure(row.figures) if row.figures else None


COLUMNS: Mapping[str, Callable[[TenantRow], Any]] = {
    "health": lambda row: row.level,
    "tenant": lambda row: row.tenant_id,
    "lag": lambda row: row.lag.lag if row.lag else None,
    "rate": _of(lambda one: one.tickets),
    "success": _of(lambda one: one.success),
    "p95": _of(lambda one: one.p95),
    "rating": _of(lambda one: one.rating),
    "secret": lambda row: row.secret_due,
}
"""What can be sorted by; a value of None isn't known."""
