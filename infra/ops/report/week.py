"""ISO weeks in UTC: Monday to Sunday, named like 2026-W47."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sinks.postgres.period_figures import Period

_NAME = re.compile(r"(\d{4})-?W(\d{1,2})")
LENGTH = timedelta(days=7)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """`monday` is its first day."""

    monday: date

    @classmethod
    def parse(cls, text: str) -> Week:
        """Raises ValueError that says how a week is written."""
        match = _NAME.fullmatch(text.strip().upper())
        try:
            if match is None:
                raise ValueError
            return cls(date.fromisocalendar(int(match[1]), int(match[2]), 1))
        except ValueError:
            raise ValueError(f"{text!r} is no ISO week: give one like 2026-W47") from None

    @classmethod
    def of(cls, at: datetime) -> Week:
        day = at.astimezone(UTC).date()
        return cls(day - timedelta(days=day.weekday()))

    @property
    def since(self) -> datetime:
        return datetime.combine(self.monday, time(), UTC)

    @property
    def until(self) -> datetime:
        return self.since + LENGTH

    @property
    def period(self) -> Period:
        return Period(self.since, self.until)

    def before(self, weeks: int = 1) -> Week:
        return Week(self.monday - weeks * LENGTH)

    def days(self) -> str:
        """`16 Nov to 22 Nov 2026`."""
        sunday = self.monday + timedelta(days=6)
        return f"{self.monday.day} {self.monday:%b} to {sunday.day} {sunday:%b %Y}"

    def __str__(self) -> str:
        year, number, _ = self.monday.isocalendar()
        return f"{year}-W{number:02}"
