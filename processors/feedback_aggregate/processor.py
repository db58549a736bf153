"""The decision of feedback_aggregate: every answer leads to the tenant's new aggregate."""

from __future__ import annotations

from infra.runtime.clock import Clock
from infra.runtime.stream.outcomes import Emit, Outcome
from infra.runtime.telemetry.logs import get_logger
from processors.feedback_aggregate.metrics import count_answer
from processors.feedback_aggregate.ports import FeedbackStore
from schemas.events import FeedbackSubmitted

log = get_logger(__name__)


async def process(event: FeedbackSubmitted, *, store: FeedbackStore, clock: Clock) -> Outcome:
    """Emit the aggregate. Nothing in an answer that passed the edge can be wrong, and none is too old to count."""
    began = clock.now()
    aggregate = await store.store(event)
    repeated = aggregate.aggregated_at < began
    if not repeated:
        count_answer(event)
    log.info(
        "Feedback aggregated",
        tenant_id=event.tenant_id,
        ticket_id=event.ticket_id,
        event_id=event.event_id,
        total=aggregate.total,
    )
    return Emit(aggregate, repeated=repeated)
