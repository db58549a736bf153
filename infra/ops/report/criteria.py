"""The success criteria that were agreed with the customer, and how a week stands against them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import Any

from infra.ops.report.rows import WeekFigures

FEWEST_RATINGS = 5
"""Below so many ratings an average is no red flag."""


class Status(StrEnum):
    MET = "met"
    MISSED = "missed"
    RED_FLAG = "red flag"
    NO_DATA = "no data"
    NO_TARGET = "no target"


@dataclass(frozen=True, slots=True)
class Criterion:
    """`value` reads a week's figure, None without data; `basis` says what it is made of. `target` and `red_flag` are bounds that a
    value must be beyond: above them where `more_is_better`. `steady` is the change below which two weeks are alike."""

    key: str
    name: str
    value: Callable[[WeekFigures], float | None]
    basis: Callable[[WeekFigures], str]
    shown: Callable[[float], str]
    target: float | None = None
    red_flag: float | None = None
    more_is_better: bool = True
    steady: float = 0.0
    enough: Callable[[WeekFigures], bool] = lambda _: True

    def status(self, week: WeekFigures) -> Status:
        value = self.value(week)
        if value is None:
            return Status.NO_DATA
        if self.target is None:
            return Status.NO_TARGET
        sign = 1 if self.more_is_better else -1
        if self.red_flag is not None and sign * value < sign * self.red_flag and self.enough(week):
            return Status.RED_FLAG
        return Status.MET if sign * value > sign * self.target else Status.MISSED

    def aim(self) -> str:
        """The target in words."""
        if self.target is None:
            return ""
        return f"{'above' if self.more_is_better else 'below'} {self.shown(self.target)}"

    def flag(self) -> str:
        """The red flag in words."""
        if self.red_flag is None:
            return ""
        return f"{'below' if self.more_is_better else 'above'} {self.shown(self.red_flag)}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A criterion in one week. `before` is the mean of the weeks before that have data, `weeks` how many these are."""

    criterion: Criterion
    value: float | None
    status: Status
    basis: str
    before: float | None
    weeks: int

    @property
    def text(self) -> str:
        return "no data" if self.value is None else self.criterion.shown(self.value)

    @property
    def trend(self) -> str:
        """`better than 94.1 % before`, in words; empty where there is nothing to compare with."""
        if self.value is None or self.before is None:
            return ""
        change = self.value - self.before
        told = f"{self.criterion.shown(self.before)} in {_weeks(self.weeks)} before"
        if abs(change) <= self.criterion.steady:
            return f"steady ({told})"
        word = "better" if (change > 0) == self.criterion.more_is_better else "worse"
        return f"{word} ({told})"

    def as_json(self) -> dict[str, Any]:
        one = self.criterion
        return {
            "key": one.key,
            "name": one.name,
            "value": self.value,
            "target": one.target,
            "red_flag": one.red_flag,
            "status": self.status.value,
            "basis": self.basis,
            "before": self.before,
            "weeks_before": self.weeks,
        }


def measured(weeks: Sequence[WeekFigures]) -> tuple[Measured, ...]:
    """Each criterion in the last of these weeks."""
    return tuple(_measured(one, weeks) for one in CRITERIA)


def _measured(criterion: Criterion, weeks: Sequence[WeekFigures]) -> Measured:
    this = weeks[-1]
    earlier = [value for week in weeks[:-1] if (value := criterion.value(week)) is not None]
    before = fmean(earlier) if earlier else None
    value = criterion.value(this)
    basis = criterion.basis(this) if value is not None else ""
    return Measured(criterion, value, criterion.status(this), basis, before, len(earlier))


def _weeks(number: int) -> str:
    return "the week" if number == 1 else f"{number} weeks"


def percent(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def seconds(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") + " s"


def stars(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") + " of 5"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _of(number: int, what: str) -> str:
    return f"{number:,} {what if number != 1 else what.removesuffix('s')}"


def _minutes(week: WeekFigures) -> float | None:
    said = week.feedback
    return None if said.minutes_saved is None else said.minutes_saved / said.minutes_saved_answers


def _minutes_basis(week: WeekFigures) -> str:
    return f"{week.feedback.minutes_saved:,} minutes in {_of(week.feedback.minutes_saved_answers, 'answers')}"


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "success",
        "Enhancement success rate",
        lambda week: week.enhancements.success,
        lambda week: f"{week.enhancements.succeeded:,} notes, {week.enhancements.failed:,} failed",
        percent,
        0.95,
        0.90,
        steady=0.005,
    ),
    Criterion(
        "note_p95",
        "Webhook to note, p95",
        lambda week: week.enhancements.p95_seconds,
        lambda week: _of(week.enhancements.succeeded, "notes"),
        seconds,
        60.0,
        300.0,
        more_is_better=False,
        steady=2.0,
    ),
    Criterion(
        "webhook_p95",
        "Webhook answered, p95 (all tenants)",
        lambda week: week.edge.webhook_p95_seconds,
        lambda _: "as Prometheus has it",
        lambda value: f"{value:.2f} s" if value < 1 else seconds(value),
        1.0,
        5.0,
        more_is_better=False,
        steady=0.02,
    ),
    Criterion(
        "rating",
        "Average feedback rating",
        lambda week: week.feedback.average_rating,
        lambda week: _of(week.feedback.ratings, "ratings"),
        stars,
        4.0,
        3.0,
        steady=0.05,
        enough=lambda week: week.feedback.ratings >= FEWEST_RATINGS,
    ),
    Criterion(
        "thumbs_up",
        "Thumbs up",
        lambda week: week.feedback.thumbs_up_share,
        lambda week: f"{week.feedback.thumbs_up:,} up, {week.feedback.thumbs_down:,} down",
        percent,
        0.70,
        steady=0.01,
    ),
    Criterion(
        "minutes_saved",
        "Minutes saved an answer",
        _minutes,
        _minutes_basis,
        lambda value: f"{value:.1f}".removesuffix(".0") + " min",
        steady=0.5,
    ),
    Criterion(
        "error_rate",
        "Request error rate (all tenants)",
        lambda week: week.edge.error_rate,
        lambda _: "5xx of all requests",
        lambda value: f"{100 * value:.2f}".rstrip("0").rstrip(".") + " %",
        0.01,
        0.05,
        more_is_better=False,
        steady=0.0005,
    ),
    Criterion(
        "backlog",
        "Backlog, highest",
        lambda week: week.edge.backlog,
        lambda _: "events waiting at once",
        _count,
        20.0,
        50.0,
        more_is_better=False,
        steady=1.0,
    ),
)
