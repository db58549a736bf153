"""FeedbackSubmitted and FeedbackAggregated: what technicians say of a note, and what it amounts to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FeedbackType(StrEnum):
    THUMBS_UP = "thumbs_up"
    THUMBS_DOWN = "thumbs_down"
    RATING = "rating"


@dataclass(frozen=True, slots=True)
class FeedbackSubmitted:
    """One answer. `rating` is 1-5, always given for type rating. `submitted_by` is null for anonymous answers. `respondent`
    is an opaque mark of the browser that followed a feedback link: its last answer counts."""

    event_id: str
    tenant_id: str
    ticket_id: str
    feedback_type: FeedbackType
    submitted_at: datetime
    enhancement_id: str | None = None
    rating: int | None = None
    comment: str | None = None
    submitted_by: str | None = None
    minutes_saved: int | None = None
    respondent: str | None = None


@dataclass(frozen=True, slots=True)
class FeedbackAggregated:
    """The tenant's counts after one answer. `recent_average` is over the last 10 ratings, null unless at least 5 of them are of
    one day; `trend` is the average of the last 10 ratings minus that of all before, null without both."""

    event_id: str
    input_id: str
    tenant_id: str
    ticket_id: str
    total: int
    ratings: int
    thumbs_up: int
    thumbs_down: int
    aggregated_at: datetime
    average_rating: float | None = None
    recent_average: float | None = None
    trend: float | None = None
    minutes_saved_total: int = 0
    minutes_saved_count: int = 0
