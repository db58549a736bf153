"""Days as files: the published ones, and people's own."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from infra.ops.scaling.cells import SMALL
from infra.ops.scaling.days import FOLDER, PUBLISHED, UnreadableDay, published_day, read_day, write_day
from infra.ops.scaling.made_days import made_days
from infra.ops.scaling.work import HOUR, Tenant


def test_the_published_days_are_those_that_the_script_makes(tmp_path: Path) -> None:
    for day in made_days(SMALL):
        write_day(day, tmp_path / "day.csv")
        assert (tmp_path / "day.csv").read_bytes() == (FOLDER / f"{day.name}.csv").read_bytes(), day.name
        assert published_day(day.name) == day
    assert [day.name for day in made_days(SMALL)] == list(PUBLISHED)


def test_the_first_tenant_has_the_customers_figures() -> None:
    day = published_day("morning_peak")
    minutes = [row[0] for row in day.minutes]

    assert day.tenants[0].name == "msp-acme-corp"
    assert sum(minutes) == 200
    assert max(sum(minutes[first : first + 2]) for first in range(9 * 60, 11 * 60)) >= 40


def test_on_the_steady_day_tenants_have_their_peaks_and_together_they_have_none() -> None:
    day = published_day("steady")
    hours = day.per_hour()
    largest = [max(column) for column in zip(*day.minutes, strict=True)]

    assert max(hours) < 1.3 * day.tickets / 24
    assert min(largest) > 50  # tickets in one minute, of 500 a day


def test_a_day_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("minute,one,two\nheld,,08:00-09:00 10:00-10:30\ncap,7,\n09:30,2,\n23:59,,1\n", encoding="utf-8")
    day = read_day(path)

    assert day.tenants == (
        Tenant("one", 7),
        Tenant("two", 5, ((8.0 * HOUR, 9.0 * HOUR), (10.0 * HOUR, 10.5 * HOUR))),
    )
    events = day.events(Random(0))
    assert [(event.tenant, int(event.at // 60)) for event in events] == [(0, 570), (0, 570), (1, 1439)]
    assert all(10 <= event.seconds <= 45 for event in events)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the first row is 'minute'"),
        ("time,one\n", "line 1: the first row is 'minute'"),
        ("minute,one\n09:30,1,2\n", "line 2: 1 tenants need as many values, there are 2"),
        ("minute,one\n9:30,1\n", "line 2: '9:30' is no time of the day like 09:30"),
        ("minute,one\n24:00,1\n", "line 2: '24:00' is no time"),
        ("minute,one\n09:30,-1\n", "line 2: '-1' is no whole number from 0"),
        ("minute,one\ncap,51\n", "line 2: '51' is no whole number from 1 to 50"),
        ("minute,one\nheld,10:00-09:00\n", "line 2: '10:00-09:00' ends before it begins"),
        ("minute,one\n09:30,\n", "a day has 1 to 500000 tickets, this one has 0"),
    ],
)
def test_a_file_that_is_wrong_is_told_by_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UnreadableDay) as found:
        read_day(path)

    assert said in str(found.value)
