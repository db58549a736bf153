"""Prometheus metrics of feedback_aggregate: what technicians say of the notes."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import Counter, Gauge

from schemas.events import FeedbackSubmitted

ANSWERS = Counter(
    "ticketstream_feedback_answers_total",
    "Answers as they came: thumbs_up, thumbs_down, rating. A browser that changes its mind counts again.",
    ["tenant_id", "feedback_type"],
)
RATINGS = Counter("ticketstream_feedback_ratings_total", "Ratings as they came, 1 to 5.", ["tenant_id", "rating"])
MINUTES = Counter("ticketstream_feedback_minutes_saved_total", "Minutes that answers say were saved.", ["tenant_id"])
MINUTES_ANSWERS = Counter(
    "ticketstream_feedback_minutes_saved_answers_total", "Answers that say how many minutes were saved.", ["tenant_id"]
)
RECENT_AVERAGE = Gauge(
    "ticketstream_feedback_recent_rating",
    "Average of those of a tenant's last 10 ratings that are at most a day old. No series without any.",
    ["tenant_id"],
)
RECENT_COUNT = Gauge(
    "ticketstream_feedback_recent_ratings",
    "How many of a tenant's last 10 ratings are at most a day old. No series without any.",
    ["tenant_id"],
)


def count_answer(answer: FeedbackSubmitted) -> None:
    tenant_id = answer.tenant_id
    ANSWERS.labels(tenant_id, answer.feedback_type.value).inc()
    if answer.rating is not None:
        RATINGS.labels(tenant_id, answer.rating).inc()
    if answer.minutes_saved is not None:
        MINUTES.labels(tenant_id).inc(answer.minutes_saved)
        MINUTES_ANSWERS.labels(tenant_id).inc()


def show_recent(tenant_id: str, ratings: Collection[int]) -> None:
    """Of the last 10 and of a day; with none the tenant's series go."""
    if ratings:
        RECENT_AVERAGE.labels(tenant_id).set(sum(ratings) / len(ratings))
        RECENT_COUNT.labels(tenant_id).set(len(ratings))
        return
    for gauge in (RECENT_AVERAGE, RECENT_COUNT):
        gauge.remove(tenant_id)
