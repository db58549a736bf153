"""The review of planted weeks: what is met, missed, a red flag or not known, and what it is compared with."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from infra.monitoring.dashboards import limits
from infra.ops.report.criteria import CRITERIA, Measured, Status
from infra.ops.report.issues import issues
from infra.ops.report.review import in_order, review
from infra.ops.report.rows import EdgeFigures, Rows, Troubles
from infra.ops.report.themes import terms, themes
from infra.ops.report.week import Week
from tests.unit.infra.ops.report.planted import MADE, NOTHING_SAID, SAID, WEEK, comment, empty, full, rows, week


def of(planted: Rows, key: str) -> Measured:
    (found,) = (one for one in review(planted).criteria if one.criterion.key == key)
    return found


@pytest.mark.parametrize(
    ("failed", "status"), [(49, Status.MET), (50, Status.MISSED), (100, Status.MISSED), (101, Status.RED_FLAG)]
)
def test_success_is_met_above_95_percent_and_a_red_flag_below_90(failed: int, status: Status) -> None:
    found = of(rows(week(succeeded=1000 - failed, failed=failed)), "success")

    assert (found.status, found.value) == (status, (1000 - failed) / 1000)


def test_what_was_dropped_is_neither_success_nor_failure() -> None:
    assert of(rows(week(succeeded=9, failed=1, dropped=500)), "success").text == "90 %"


@pytest.mark.parametrize(
    ("seconds", "status"), [(59.9, Status.MET), (60.0, Status.MISSED), (300.0, Status.MISSED), (301.0, Status.RED_FLAG)]
)
def test_time_to_the_note(seconds: float, status: Status) -> None:
    assert of(rows(week(p95_seconds=seconds)), "note_p95").status is status


@pytest.mark.parametrize(("ratings", "status"), [(4, Status.MISSED), (5, Status.RED_FLAG)])
def test_a_low_rating_is_a_red_flag_from_five_ratings_on(ratings: int, status: Status) -> None:
    assert of(rows(week(said=replace(SAID, average_rating=2.5, ratings=ratings))), "rating").status is status


def test_minutes_saved_stand_with_their_count() -> None:
    found = of(rows(), "minutes_saved")

    assert (found.text, found.basis, found.status) == ("15 min", "300 minutes in 20 answers", Status.NO_TARGET)


def test_a_week_without_data_says_so_and_never_zero_percent() -> None:
    report = review(rows(empty()))

    assert {one.status for one in report.criteria} == {Status.NO_DATA}
    assert {one.text for one in report.criteria} == {"no data"}
    assert "nothing to measure" in report.summary()
    assert not any(said in text for text in (report.as_markdown(), report.as_html()) for said in ("| 0 %", ">0 %</td>"))


def test_what_prometheus_does_not_know_is_no_data() -> None:
    assert of(rows(week(edge=EdgeFigures())), "webhook_p95").status is Status.NO_DATA


def test_the_targets_are_those_of_the_dashboards() -> None:
    by_key = {one.key: one for one in CRITERIA}
    pairs = {
        "success": limits.SUCCESS,
        "note_p95": limits.NOTE_SECONDS,
        "webhook_p95": limits.WEBHOOK_SECONDS,
        "rating": limits.RATING,
        "error_rate": limits.ERRORS,
    }
    for key, limit in pairs.items():
        assert {by_key[key].target, by_key[key].red_flag} == {value for value, _ in limit.steps}, key
    assert by_key["thumbs_up"].target == limits.THUMBS_UP.steps[-1][0]
    assert (by_key["backlog"].target, by_key["backlog"].red_flag) == (20, 50)


def test_the_trend_is_against_the_weeks_before_that_have_data() -> None:
    better = of(rows(week(2, p95_seconds=80.0), empty(1), week(p95_seconds=50.0)), "note_p95")

    assert (better.before, better.weeks, better.trend) == (80.0, 1, "better (80 s in the week before)")
    worse = of(
        rows(week(2, succeeded=990, failed=10), week(1, succeeded=970, failed=30), week(succeeded=900, failed=100)),
        "success",
    )
    assert worse.trend == "worse (98 % in 2 weeks before)"
    assert of(rows(week(1), week()), "success").trend == "steady (98 % in the week before)"
    assert of(rows(week()), "success").trend == ""


def test_an_unfinished_week_is_told_as_such() -> None:
    report = review(replace(rows(), made_at=WEEK.since + timedelta(days=2)))

    assert not report.over
    assert "isn't over" in report.as_markdown()


def test_red_flags_come_first_and_who_had_nothing_last() -> None:
    good, bad, silent = rows(), rows(week(succeeded=1, failed=9)), rows(empty())
    reports = [review(replace(one, tenant_id=name)) for one, name in ((good, "b"), (silent, "a"), (bad, "c"))]

    assert [one.tenant_id for one in in_order(reports)] == ["c", "b", "a"]


def test_issues_stand_with_what_to_do() -> None:
    found = issues(full())

    assert [(one.kind, one.count) for one in found] == [
        ("dead letter", 18), ("dead letter", 2), ("held now", 3), ("missing source", 31), ("missing source", 7),
        ("refused webhook", 4), ("secret", None),
    ]  # fmt: skip
    assert found[0].what == "desk_refused at deliver"
    from pathlib import Path

    assert [one.article for one in found if not Path(one.article).is_file()] == []


def test_without_kafka_what_failed_is_told_instead_of_dead_letters() -> None:
    found = issues(rows(troubles=Troubles(failures={"held_too_long": 2})))

    assert [(one.kind, one.what, one.count) for one in found] == [("failed", "held_too_long", 2)]


@pytest.mark.parametrize(("days", "told"), [(-1, "was due"), (13, "is due"), (15, None)])
def test_a_secret_is_told_when_it_is_due_within_two_weeks(days: int, told: str | None) -> None:
    found = issues(rows(troubles=Troubles(secret_due=MADE + timedelta(days=days))))

    assert [told in one.what for one in found if told] == ([True] if told else [])
    assert bool(found) is (told is not None)


def test_themes_are_what_several_comments_have_in_common() -> None:
    found = themes(
        [
            comment("The DHCP scope was right.", 5, "1"),
            comment("dhcp scope was not the problem; wrong site", 2, "2"),
            comment("Wrong site again!", 1, "3"),
            comment("Nothing to do with printers", None, "4"),
        ]
    )

    assert [(one.term, one.comments, one.rating, one.tickets) for one in found] == [
        ("dhcp scope", 2, 3.5, ("1", "2")),
        ("wrong site", 2, 1.5, ("2", "3")),
    ]


def test_a_word_that_one_comment_repeats_is_no_theme() -> None:
    assert themes([comment("printer printer printer, printer!")]) == ()


def test_stop_words_of_both_languages_say_nothing() -> None:
    assert terms("That was not the Drucker, das ist der Spooler") == {"drucker", "spooler"}


def test_no_pair_goes_over_a_sentence_or_a_stop_word() -> None:
    assert "spooler printer" not in terms("restart the spooler. Printer is fine")
    assert "printer spooler" not in terms("the printer and the spooler")


def test_the_object_can_be_written_as_json() -> None:
    found = review(full()).as_json()

    assert json.loads(json.dumps(found))["criteria"][0]["key"] == "success"
    assert found["worst"][0]["missing"] == ["docs (timeout)"]
    assert "an id" not in json.dumps(found)


@pytest.mark.parametrize(
    ("text", "monday"),
    [("2026-W47", date(2026, 11, 16)), ("2026w01", date(2025, 12, 29)), ("2026-W53", date(2026, 12, 28))],
)
def test_a_week_is_an_iso_week(text: str, monday: date) -> None:
    assert Week.parse(text).monday == monday


@pytest.mark.parametrize("text", ["2026-W54", "2025-W53", "2026-W0", "47", "last", "", "2026-W"])
def test_what_is_no_week_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="give one like 2026-W47"):
        Week.parse(text)


def test_a_week_begins_on_monday_in_utc() -> None:
    found = Week.of(datetime.fromisoformat("2026-11-16T00:30:00+01:00"))

    assert str(found) == "2026-W46"
    assert (found.since, found.until) == (datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC))
    assert (str(WEEK), str(WEEK.before()), WEEK.days()) == ("2026-W47", "2026-W46", "16 Nov to 22 Nov 2026")


def test_nothing_said_is_no_rating_of_zero() -> None:
    assert of(rows(week(said=NOTHING_SAID)), "rating").text == "no data"
    assert of(rows(week(said=NOTHING_SAID)), "thumbs_up").text == "no data"
