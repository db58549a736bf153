"""What technicians say as Prometheus sees it: each answer once, and the latest ratings for as long as they are the latest."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY

from infra.runtime.postgres.availability import PostgresUnavailable
from processors.feedback_aggregate.fakes import FakeFeedbackStore
from processors.feedback_aggregate.processor import process
from processors.feedback_aggregate.recent import RecentRatings
from schemas.events import FeedbackSubmitted, FeedbackType

AT = datetime(2026, 5, 1, 9, tzinfo=UTC)


class SetClock:
    def __init__(self, at: datetime = AT) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Away:
    async def recent_ratings(self, tenant_id: str, since: datetime) -> list[int]:
        raise PostgresUnavailable("away")


def answer(tenant: str, number: int, rating: int | None, minutes: int | None = None) -> FeedbackSubmitted:
    kind = FeedbackType.RATING if rating else FeedbackType.THUMBS_UP
    at = AT + timedelta(minutes=number)
    return FeedbackSubmitted(f"a{number}", tenant, "7", kind, at, rating=rating, minutes_saved=minutes)


def value(name: str, tenant: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"ticketstream_feedback_{name}", {"tenant_id": tenant, **labels})


async def test_an_answer_counts_once_however_often_it_is_delivered() -> None:
    tenant, clock = "msp-counted", SetClock()
    store = FakeFeedbackStore(clock)
    said = answer(tenant, 1, 4, minutes=15)
    for _ in range(3):
        await process(said, store=store, clock=clock)
        clock.at += timedelta(seconds=1)
    await process(answer(tenant, 2, None, minutes=5), store=store, clock=clock)
    assert value("answers_total", tenant, feedback_type="rating") == 1
    assert value("answers_total", tenant, feedback_type="thumbs_up") == 1
    assert value("ratings_total", tenant, rating="4") == 1
    assert (value("minutes_saved_total", tenant), value("minutes_saved_answers_total", tenant)) == (20, 2)


async def test_the_last_ten_ratings_are_shown_while_they_are_of_a_day() -> None:
    tenant, clock = "msp-recent", SetClock()
    store = FakeFeedbackStore(clock)
    for number in range(12):
        await process(answer(tenant, number, 5 if number < 2 else 2), store=store, clock=clock)
    recent = RecentRatings(store, clock)
    recent.noted(tenant)
    await recent.look()
    assert (value("recent_rating", tenant), value("recent_ratings", tenant)) == (2, 10)

    clock.at = AT + timedelta(days=1, minutes=9)
    recent.noted(tenant)
    await recent.look()
    assert (value("recent_rating", tenant), value("recent_ratings", tenant)) == (2, 3)

    clock.at = AT + timedelta(days=2)
    recent.noted(tenant)
    await recent.look()
    assert value("recent_rating", tenant) is value("recent_ratings", tenant) is None


async def test_ratings_from_before_a_restart_are_shown_again() -> None:
    tenant, clock = "msp-restarted", SetClock()
    store = FakeFeedbackStore(clock)
    await store.store(replace(answer(tenant, 1, 3), submitted_at=AT))
    running = asyncio.create_task(RecentRatings(store, clock).run([tenant]))
    async with asyncio.timeout(5):
        while value("recent_rating", tenant) is None:
            await asyncio.sleep(0)
    running.cancel()
    assert value("recent_rating", tenant) == 3


async def test_while_postgresql_is_away_the_last_figures_stand() -> None:
    tenant, clock = "msp-away", SetClock()
    store = FakeFeedbackStore(clock)
    await store.store(answer(tenant, 0, 1))
    recent = RecentRatings(store, clock)
    recent.noted(tenant)
    await recent.look()
    recent._store = Away()
    recent.noted(tenant)
    await recent.look()
    assert value("recent_rating", tenant) == 1
    assert recent._due == {tenant}, "and it is asked again"
