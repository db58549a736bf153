"""Makes the three published days: `python -m infra.ops.scaling.made_days`. The same seed makes the same files.

Sizes and hours are product.md's: an MSP like the first tenant has about 200 tickets a day, peaks from 9 to 11 in the morning and
has then 40-50 queued; one with more than 500 is large. Other figures are assumptions, each named below; how sharp a burst is
was set so that a peak queues 40-50, as it is said to.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from math import log
from random import Random

from infra.ops.scaling.days import FLOOD_AND_HOLD, FOLDER, MORNING_PEAK, STEADY, write_day
from infra.ops.scaling.work import DAY, HOUR, MINUTE, Day, Tenant

SEED = 20261122
TENANTS = 24
"""A cell that has grown: the first tenant and 23 others."""
FIRST, FIRST_TICKETS = "msp-acme-corp", 200
SPREAD = 0.5
"""Of the logarithm of the tenants' sizes, around the first one's: two thirds have 120 to 330 tickets a day."""
LARGE, LARGE_CAP = 500, 10
"""Who has more tickets a day than that was given twice the default cap."""
HOURS = (3, 3, 3, 3, 3, 4, 8, 20, 45, 140, 140, 60, 40, 50, 60, 55, 45, 25, 12, 10, 8, 6, 4, 3)
"""How a day's tickets are spread over its hours."""
BURST, BURST_SECONDS = 0.25, 60
"""The part of its tickets that a tenant sends in five minutes between 9 and 11, 45 of 200: what is then queued."""
FLOOD_TICKETS, FLOOD_FROM, FLOOD_UNTIL = 3000, 9.5 * HOUR, 10 * HOUR
"""A monitoring system in a loop, until somebody stops it."""
HELD = (8.5 * HOUR, 12.5 * HOUR)
HELD_TICKETS = 500
STEADY_TENANTS, STEADY_TICKETS = 60, 500
"""Large tenants in all time zones: evenly through day and night."""

Arrivals = Iterable[float]


def made_days() -> list[Day]:
    return [_morning_peak(), _flood_and_hold(), _steady()]


def _morning_peak() -> Day:
    random = Random(SEED)
    sizes = _sizes(random)
    return _day(MORNING_PEAK, _tenants(sizes), [_peaking(random, size) for size in sizes])


def _flood_and_hold() -> Day:
    """The peak of another day; the last two tenants are those in trouble."""
    random = Random(SEED + 1)
    sizes = _sizes(random)
    tenants, arrivals = _tenants(sizes), [_peaking(random, size) for size in sizes]
    tenants += [Tenant("msp-flooding"), Tenant("msp-held", held=(HELD,))]
    flood = [random.uniform(FLOOD_FROM, FLOOD_UNTIL) for _ in range(FLOOD_TICKETS)]
    arrivals += [_peaking(random, FIRST_TICKETS) + flood, _peaking(random, HELD_TICKETS)]
    return _day(FLOOD_AND_HOLD, tenants, arrivals)


def _steady() -> Day:
    random = Random(SEED + 2)
    tenants = [Tenant(f"msp-{number:02}") for number in range(1, STEADY_TENANTS + 1)]
    return _day(STEADY, tenants, [[random.uniform(0, DAY) for _ in range(STEADY_TICKETS)] for _ in tenants])


def _sizes(random: Random) -> list[int]:
    return [FIRST_TICKETS, *(round(random.lognormvariate(log(FIRST_TICKETS), SPREAD)) for _ in range(TENANTS - 1))]


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


def main() -> None:
    for day in made_days():
        path = FOLDER / f"{day.name}.csv"
        write_day(day, path)
        sys.stdout.write(f"{path}: {len(day.tenants)} tenants, {day.tickets} tickets\n")


if __name__ == "__main__":
    main()
