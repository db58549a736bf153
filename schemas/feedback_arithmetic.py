"""What a tenant's answers amount to: counts, averages, and whether it is getting better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from schemas import ids
from schemas.events.feedback import FeedbackAggregated, FeedbackSubmitted, FeedbackType

RECENT = 10
RECENT_AT_LEAST = 5
RECENT_WITHIN = timedelta(days=1)
MOST_RESPONDENTS = 20
"""Browsers whose answers count on a note; those that come later are kept and don't count: a new cookie is easily had."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that counts, as far as the arithmetic needs it."""

    feedback_type: FeedbackType
    submitted_at: datetime
    rating: int | None = None
    minutes_saved: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """`recent_average` is over the last 10 ratings, None unless at least 5 of them are of the day before `at`. `trend` is the
    average of the last 10 ratings minus that of all before them, None without both."""

    total: int
    ratings: int
    thumbs_up: int
    thumbs_down: int
    average_rating: float | None
    recent_average: float | None
    trend: float | None
    minutes_saved_total: int
    minutes_saved_count: int


def totals(answers: Sequence[Answer], at: datetime) -> Totals:
    """Of all answers that count, in any order."""
    rated = sorted((answer for answer in answers if answer.rating is not None), key=lambda answer: answer.submitted_at)
    values = [answer.rating for answer in rated if answer.rating is not None]
    of_the_day = sum(at - answer.submitted_at <= RECENT_WITHIN for answer in rated[-RECENT:])
    minutes = [answer.minutes_saved for answer in answers if answer.minutes_saved is not None]
    before, last = values[:-RECENT], values[-RECENT:]
    return Totals(
        total=len(answers),
        ratings=len(values),
        thumbs_up=sum(answer.feedback_type is FeedbackType.THUMBS_UP for answer in answers),
        thumbs_down=sum(answer.feedback_type is FeedbackType.THUMBS_DOWN for answer in answers),
        average_rating=_average(values),
        recent_average=_average(last) if of_the_day >= RECENT_AT_LEAST else None,
        trend=round(_mean(last) - _mean(before), 4) if before else None,
        minutes_saved_total=sum(minutes),
        minutes_saved_count=len(minutes),
    )


def aggregated(event: FeedbackSubmitted, answers: Sequence[Answer], at: datetime) -> FeedbackAggregated:
    """What feedback_aggregate emits for an answer, when these are all of the tenant's that count."""
    return FeedbackAggregated(
        event_id=ids.of_output(event.event_id, "feedback_aggregate"),
        input_id=event.event_id,
        tenant_id=event.tenant_id,
        ticket_id=event.ticket_id,
        aggregated_at=at,
        **asdict(totals(answers, at)),
    )


def _average(values: Sequence[int]) -> float | None:
    return round(_mean(values), 4) if values else None


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values)
