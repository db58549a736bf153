"""Averages, the recent ones, and the trend, at their edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.events import FeedbackType
from schemas.feedback_arithmetic import Answer, totals

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def rated(*values: int, hours_ago: float = 1.0) -> list[Answer]:
    """In the order given, a second apart."""
    first = NOW - timedelta(hours=hours_ago)
    return [Answer(FeedbackType.RATING, first + timedelta(seconds=n), value) for n, value in enumerate(values)]


def test_without_answers_nothing_is_known() -> None:
    result = totals([], NOW)
    assert (result.total, result.ratings, result.minutes_saved_count) == (0, 0, 0)
    assert (result.average_rating, result.recent_average, result.trend) == (None, None, None)


def test_thumbs_count_but_are_no_ratings() -> None:
    answers = [
        Answer(FeedbackType.THUMBS_UP, NOW),
        Answer(FeedbackType.THUMBS_UP, NOW),
        Answer(FeedbackType.THUMBS_DOWN, NOW),
    ]
    result = totals(answers, NOW)
    assert (result.total, result.thumbs_up, result.thumbs_down, result.ratings) == (3, 2, 1, 0)


def test_the_recent_average_needs_five_of_the_last_ten_within_a_day() -> None:
    assert totals(rated(1, 1, 1, 1), NOW).recent_average is None
    assert totals(rated(1, 2, 3, 4, 5), NOW).recent_average == 3
    assert totals(rated(1, 2, 3, 4, 5, hours_ago=25), NOW).recent_average is None


def test_the_recent_average_is_over_the_last_ten() -> None:
    assert totals(rated(*[1] * 7, *[5] * 10), NOW).recent_average == 5


def test_the_recent_average_is_over_all_of_the_last_ten_not_only_those_of_the_day() -> None:
    before, today = rated(*[5] * 6, hours_ago=72), rated(*[2] * 5)
    assert totals([*before, *today], NOW).recent_average == 3.5
    assert totals([*before, *today[1:]], NOW).recent_average is None


def test_the_trend_compares_the_last_ten_with_all_before() -> None:
    assert totals(rated(*[4] * 10), NOW).trend is None
    assert totals(rated(*[2] * 5, *[4] * 10), NOW).trend == 2


def test_order_of_arrival_does_not_matter() -> None:
    answers = rated(*[1] * 5, *[5] * 10)
    assert totals(answers[::-1], NOW) == totals(answers, NOW)


def test_minutes_saved_are_summed_with_their_count() -> None:
    answers = [
        Answer(FeedbackType.THUMBS_UP, NOW, minutes_saved=15),
        Answer(FeedbackType.THUMBS_UP, NOW, minutes_saved=0),
    ]
    result = totals([*answers, Answer(FeedbackType.THUMBS_UP, NOW)], NOW)
    assert (result.minutes_saved_total, result.minutes_saved_count) == (15, 2)
