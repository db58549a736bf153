"""What feedback_aggregate needs from outside: the tenant's answers."""

from __future__ import annotations

from typing import Protocol

from schemas.events import FeedbackAggregated, FeedbackSubmitted


class FeedbackStore(Protocol):
    async def store(self, event: FeedbackSubmitted) -> FeedbackAggregated:
        """Keep the answer, once; the tenant's aggregate after it, the same however often it is asked. Of one browser's answers
        on a note only the last counts."""
