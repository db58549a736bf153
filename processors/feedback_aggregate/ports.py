"""What feedback_aggregate needs from outside: the tenant's answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from schemas.events import FeedbackAggregated, FeedbackSubmitted


class FeedbackStore(Protocol):
    async def store(self, event: FeedbackSubmitted) -> FeedbackAggregated:
        """Keep the answer, once; the tenant's aggregate after it, the same however often it is asked. Of one browser's answers
        on a note only the last counts."""


class RatingStore(Protocol):
    async def recent_ratings(self, tenant_id: str, since: datetime) -> Sequence[int]:
        """Those of the tenant's last 10 ratings that were given at `since` or later, of the answers that count."""
