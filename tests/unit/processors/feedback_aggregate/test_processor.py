"""Every answer leads to the tenant's aggregate, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from infra.runtime.clock import SystemClock
from infra.runtime.stream.outcomes import Emit
from processors.feedback_aggregate.fakes import FakeFeedbackStore
from processors.feedback_aggregate.processor import process
from schemas.events import FeedbackAggregated, FeedbackSubmitted, FeedbackType

AT = datetime(2026, 5, 1, 9, tzinfo=UTC)
ANSWER = FeedbackSubmitted("a1", "msp-one", "7", FeedbackType.RATING, AT, enhancement_id="n1", rating=4)


async def aggregated(store: FakeFeedbackStore, event: FeedbackSubmitted) -> FeedbackAggregated:
    outcome = await process(event, store=store, clock=SystemClock())
    assert isinstance(outcome, Emit)
    assert isinstance(outcome.event, FeedbackAggregated)
    return outcome.event


async def test_the_aggregate_follows_from_the_answer() -> None:
    result = await aggregated(FakeFeedbackStore(), ANSWER)
    assert (result.input_id, result.tenant_id, result.total, result.average_rating) == ("a1", "msp-one", 1, 4)


async def test_a_redelivered_answer_emits_the_same_and_counts_once() -> None:
    store = FakeFeedbackStore()
    first = await aggregated(store, ANSWER)
    await aggregated(store, replace(ANSWER, event_id="a2", rating=2))
    assert await aggregated(store, ANSWER) == first
    assert (await aggregated(store, replace(ANSWER, event_id="a3", rating=3))).total == 3


async def test_a_browsers_last_answer_on_a_note_counts() -> None:
    store = FakeFeedbackStore()
    await aggregated(store, replace(ANSWER, respondent="b", rating=1))
    result = await aggregated(
        store, replace(ANSWER, event_id="a2", respondent="b", rating=5, submitted_at=AT + timedelta(minutes=1))
    )
    assert (result.total, result.average_rating) == (1, 5)


async def test_twenty_browsers_count_on_a_note_and_each_may_change_its_mind() -> None:
    store = FakeFeedbackStore()
    for number, browser in enumerate((*range(23), 3, 22), 2):
        said = replace(
            ANSWER, event_id=f"a{number}", respondent=f"b{browser}", submitted_at=AT + timedelta(minutes=number)
        )
        result = await aggregated(store, said)
    assert result.total == 20
    assert (await aggregated(store, replace(ANSWER, event_id="b", enhancement_id="n2", respondent="b22"))).total == 21


async def test_tenants_are_added_up_apart() -> None:
    store = FakeFeedbackStore()
    await aggregated(store, ANSWER)
    assert (await aggregated(store, replace(ANSWER, tenant_id="msp-two"))).total == 1
