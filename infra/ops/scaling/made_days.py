"""Makes the published days: `python -m infra.ops.scaling.made_days [FOLDER]` writes those of the small cell into the package, or
those of both cells into a folder. The same seed makes the same days.

Sizes and hours are product.md's: an MSP like the first tenant has about 200 tickets a day, peaks from 9 to 11 in the morning and
has then 40-50 queued; one with more than 500 is large. Other figures are assumptions, each named below.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from math import log
from pathlib import Path
from random import Random

from infra.ops.scaling.cells import CELLS, SMALL, Cell
from infra.ops.scaling.days import FLOOD_AND_HOLD, FOLDER, MORNING_PEAK, STEADY, published_day, write_day
from infra.ops.scaling.work import DAY, HOUR, MINUTE, Day, Tenant

SEED = 20261122
FIRST, FIRST_TICKETS = "msp-acme-corp", 200
SPREAD = 0.5
"""Of the logarithm of the tenants' sizes, around the first one's: two thirds have 120 to 330 tickets a day."""
LARGE, LARGE_CAP = 500, 10
"""Who has more tickets a day than that was given twice the default cap."""
HOURS = (1, 1, 1, 1, 1, 2, 6, 25, 70, 100, 100, 85, 60, 70, 80, 75, 65, 45, 20, 10, 6, 4, 3, 2)
"""How a tenant's tickets, without its burst, are spread over the hours of its day: as calls arrive at a service desk, most in the
morning, fewer at noon, a second and lower top in the afternoon. With the burst 9 to 11 has 41 % of the day."""
BURST, BURST_SECONDS = 0.22, 60
"""The part of its tickets that a tenant sends in one minute between 9 and 11, 44 of 200: so that 40-50 are then queued. With 5 at
once and 26.7 s a call a tenant works off 674 an hour: only a burst can queue 40 where a whole day has 200."""
FLOOD_TICKETS, FLOOD_FROM, FLOOD_UNTIL = 3000, 9.5 * HOUR, 10 * HOUR
"""A monitoring system in a loop, until somebody stops it."""
HELD = (8.5 * HOUR, 12.5 * HOUR)
HELD_TICKETS = 500
STEADY_TICKETS, ZONES = 500, 24
"""Of large tenants that live in all time zones: each has its morning peak, and together they have as many at night as by day."""

Arrivals = Iterable[float]


def made_days(cell: Cell) -> list[Day]:
    return [made_day(cell, name) for name in _MAKERS]


@cache
def made_day(cell: Cell, name: str) -> Day:
    return _MAKERS[name](cell)


def _morning_peak(cell: Cell) -> Day:
    random = Random(SEED)
    sizes = _sizes(random, cell.tenants)
    return _day(MORNING_PEAK, _tenants(sizes), [_peaking(random, size) for size in sizes])


def _flood_and_hold(cell: Cell) -> Day:
    """The peak of another day; the last two tenants are those in trouble."""
    random = Random(SEED + 1)
    sizes = _sizes(random, cell.tenants)
    tenants, arrivals = _tenants(sizes), [_peaking(random, size) for size in sizes]
    tenants += [Tenant("msp-flooding"), Tenant("msp-held", held=(HELD,))]
    flood = [random.uniform(FLOOD_FROM, FLOOD_UNTIL) for _ in range(FLOOD_TICKETS)]
    arrivals += [_peaking(random, FIRST_TICKETS) + flood, _peaking(random, HELD_TICKETS)]
    return _day(FLOOD_AND_HOLD, tenants, arrivals)


def _steady(cell: Cell) -> Day:
    random = Random(SEED + 2)
    tenants = _tenants([STEADY_TICKETS] * cell.steady_tenants)
    zones = [HOUR * (24 / ZONES) * (number % ZONES) for number in range(len(tenants))]
    return _day(STEADY, tenants, [[(at + zone) % DAY for at in _peaking(random, STEADY_TICKETS)] for zone in zones])


_MAKERS = {MORNING_PEAK: _morning_peak, FLOOD_AND_HOLD: _flood_and_hold, STEADY: _steady}


def _sizes(random: Random, tenants: int) -> list[int]:
    return [FIRST_TICKETS, *(round(random.lognormvariate(log(FIRST_TICKETS), SPREAD)) for _ in range(tenants - 1))]


def _tenants(sizes: list[int]) -> list[Tenant]:
    names = [FIRST, *(f"msp-{number:02}" for number in range(2, len(sizes) + 1))]
    return [Tenant(name, LARGE_CAP) if size > LARGE else Tenant(name) for name, size in zip(names, sizes, strict=True)]


def _peaking(random: Random, tickets: int) -> list[float]:
    in_burst = round(BURST * tickets)
    burst = random.uniform(9 * HOUR, 11 * HOUR - BURST_SECONDS)
    hours = random.choices(range(len(HOURS)), HOURS, k=tickets - in_burst)
    return [HOUR * (hour + random.random()) for hour in hours] + [
        burst + BURST_SECONDS * random.random() for _ in range(in_burst)
    ]


def _day(name: str, tenants: list[Tenant], arrivals: list[Arrivals] | list[list[float]]) -> Day:
    counts = Counter((int(at // MINUTE), tenant) for tenant, times in enumerate(arrivals) for at in times)
    minutes = (tuple(counts[minute, tenant] for tenant in range(len(tenants))) for minute in range(DAY // MINUTE))
    return Day(name, tuple(tenants), tuple(minutes))


def day_of(cell: Cell, name: str) -> Day:
    """A published day. Those of the small cell are files; those of the large one would be 5 MB, and are made anew."""
    return published_day(name) if cell == SMALL else made_day(cell, name)


def main(folder: str = "") -> None:
    for cell in CELLS.values() if folder else (SMALL,):
        for day in made_days(cell):
            path = Path(folder) / f"{cell.name}_{day.name}.csv" if folder else FOLDER / f"{day.name}.csv"
            write_day(day, path)
            sys.stdout.write(f"{path}: {len(day.tenants)} tenants, {day.tickets} tickets\n")


if __name__ == "__main__":
    main(*sys.argv[1:2])
