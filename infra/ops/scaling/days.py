"""Days as files, so that people can publish theirs and try ours.

CSV, a column a tenant. First row: `minute` and the tenants' names. Then, both optional, a row `cap` with each tenant's
max_concurrent_jobs and a row `held` with spans like `08:30-12:30` in which what its calls need is down (several with a space
between). Then a row a minute: the time of the day as `HH:MM` and how many tickets each tenant sent. Empty is 0; minutes without
tickets may be left out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from infra.ops.scaling.work import DAY, DEFAULT_CAP, HOUR, MINUTE, Day, Tenant

FOLDER = Path(__file__).with_name("data")
MORNING_PEAK, FLOOD_AND_HOLD, STEADY = "morning_peak", "flood_and_hold", "steady"
PUBLISHED = (MORNING_PEAK, FLOOD_AND_HOLD, STEADY)
CAPS = range(1, 51)
MOST_TICKETS = 500_000
"""Of a day: a simulation of more would take too long."""
_TIME = re.compile(r"(\d\d):([0-5]\d)")
_CAP, _HELD, _FIRST = "cap", "held", "minute"


class UnreadableDay(ValueError):
    """Which line of the file is wrong, and what would be right."""


def published_day(name: str) -> Day:
    """One of PUBLISHED."""
    return read_day(FOLDER / f"{name}.csv")


def read_day(path: Path) -> Day:
    """Raises UnreadableDay, OSError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise UnreadableDay(f"{path} is no CSV: {error}") from None
    reader = _Reader(path)
    if not rows or rows[0][1][0].strip() != _FIRST or len(rows[0][1]) < 2:
        raise reader.wrong(1, f"the first row is '{_FIRST}' and the names of the tenants")
    return reader.day(rows[0][1][1:], rows[1:])


def write_day(day: Day, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_FIRST, *(tenant.name for tenant in day.tenants)])
        writer.writerow([_CAP, *(tenant.cap for tenant in day.tenants)])
        if any(tenant.held for tenant in day.tenants):
            writer.writerow([_HELD, *(" ".join(map(_span, tenant.held)) for tenant in day.tenants)])
        for minute, counts in enumerate(day.minutes):
            if any(counts):
                writer.writerow([_clock(MINUTE * minute), *(count or "" for count in counts)])


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, line: int, right: str) -> UnreadableDay:
        return UnreadableDay(f"{self._path}, line {line}: {right}")

    def day(self, names: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> Day:
        caps, held = [DEFAULT_CAP] * len(names), [tuple[tuple[float, float], ...]()] * len(names)
        minutes = [(0,) * len(names)] * (DAY // MINUTE)
        for line, (first, *cells) in rows:
            if len(cells) != len(names):
                raise self.wrong(line, f"{len(names)} tenants need as many values, there are {len(cells)}")
            if first == _CAP:
                caps = [self._number(line, cell or str(DEFAULT_CAP), CAPS) for cell in cells]
            elif first == _HELD:
                held = [tuple(self._span(line, span) for span in cell.split()) for cell in cells]
            else:
                counts = tuple(self._number(line, cell or "0", range(MOST_TICKETS)) for cell in cells)
                minutes[int(self._seconds(line, first) // MINUTE)] = counts
        tenants = tuple(Tenant(name.strip(), cap, spans) for name, cap, spans in zip(names, caps, held, strict=True))
        day = Day(self._path.stem, tenants, tuple(minutes))
        if not 0 < day.tickets <= MOST_TICKETS:
            raise self.wrong(1, f"a day has 1 to {MOST_TICKETS} tickets, this one has {day.tickets}")
        return day

    def _number(self, line: int, cell: str, allowed: range) -> int:
        if not (cell.strip().isdecimal() and int(cell) in allowed):
            raise self.wrong(line, f"{cell!r} is no whole number from {allowed[0]} to {allowed[-1]}")
        return int(cell)

    def _span(self, line: int, span: str) -> tuple[float, float]:
        start, _, end = span.partition("-")
        found = self._seconds(line, start), self._seconds(line, end)
        if found[0] >= found[1]:
            raise self.wrong(line, f"{span!r} ends before it begins")
        return found

    def _seconds(self, line: int, clock: str) -> float:
        found = _TIME.fullmatch(clock.strip())
        if not found or int(found[1]) > 23:
            raise self.wrong(line, f"{clock!r} is no time of the day like 09:30")
        return float(HOUR * int(found[1]) + MINUTE * int(found[2]))


def _span(held: tuple[float, float]) -> str:
    return "-".join(map(_clock, held))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // HOUR:02}:{int(seconds) % HOUR // MINUTE:02}"
