"""A feedback store in memory, which keeps the same promises as the real one."""

from __future__ import annotations

from datetime import datetime

from infra.runtime.clock import Clock, SystemClock
from schemas.events import FeedbackAggregated, FeedbackSubmitted
from schemas.feedback_arithmetic import MOST_RESPONDENTS, RECENT, Answer, aggregated


class FakeFeedbackStore:
    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.answers: dict[str, dict[str, FeedbackSubmitted]] = {}
        self._aggregates: dict[tuple[str, str], FeedbackAggregated] = {}

    async def store(self, event: FeedbackSubmitted) -> FeedbackAggregated:
        key = (event.tenant_id, event.event_id)
        if key not in self._aggregates:
            self.answers.setdefault(event.tenant_id, {})[event.event_id] = event
            self._aggregates[key] = self._aggregate(event, self._clock.now())
        return self._aggregates[key]

    async def recent_ratings(self, tenant_id: str, since: datetime) -> list[int]:
        counting = _counting(list(self.answers.get(tenant_id, {}).values()))
        rated = [(a.submitted_at, a.rating) for a in counting if a.rating is not None and a.submitted_at >= since]
        return [rating for _, rating in sorted(rated, reverse=True)[:RECENT]]

    def _aggregate(self, event: FeedbackSubmitted, at: datetime) -> FeedbackAggregated:
        counting = _counting(list(self.answers[event.tenant_id].values()))
        answers = [Answer(a.feedback_type, a.submitted_at, a.rating, a.minutes_saved) for a in counting]
        return aggregated(event, answers, at)


def _counting(answers: list[FeedbackSubmitted]) -> list[FeedbackSubmitted]:
    """Without the earlier answers of a browser that answered again on the same note, and without those of a note's 21st browser."""
    last: dict[tuple[str | None, str | None], str] = {}
    for answer in sorted(answers, key=lambda answer: answer.submitted_at):
        if answer.respondent and answer.enhancement_id:
            last[answer.enhancement_id, answer.respondent] = answer.event_id
    browsers: dict[str | None, dict[str, None]] = {}
    for answer in answers:
        of_note = browsers.setdefault(answer.enhancement_id, {})
        if answer.respondent and len(of_note) < MOST_RESPONDENTS:
            of_note[answer.respondent] = None
    return [
        a
        for a in answers
        if last.get((a.enhancement_id, a.respondent), a.event_id) == a.event_id
        and (not a.enhancement_id or not a.respondent or a.respondent in browsers[a.enhancement_id])
    ]
