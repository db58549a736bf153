"""The rate limit and the memory of recent webhooks."""

from __future__ import annotations

import asyncio

from ingest.rate_limit import RateLimit
from ingest.recent_webhooks import Acknowledged, InFlight, RecentWebhooks


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate() -> None:
    time = Time()
    rates = RateLimit(monotonic=time)
    assert [rates.take("a", rate_per_second=2, burst=3) for _ in range(3)] == [0, 0, 0]
    assert rates.take("a", rate_per_second=2, burst=3) == 0.5
    time.now += 0.5
    assert rates.take("a", rate_per_second=2, burst=3) == 0
    assert rates.take("a", rate_per_second=2, burst=3) > 0


def test_tenants_have_buckets_of_their_own_that_never_overflow() -> None:
    time = Time()
    rates = RateLimit(monotonic=time)
    assert rates.take("a", rate_per_second=1, burst=1) == 0
    assert rates.take("a", rate_per_second=1, burst=1) > 0
    assert rates.take("b", rate_per_second=1, burst=1) == 0
    time.now += 1000
    assert rates.take("a", rate_per_second=1, burst=1) == 0
    assert rates.take("a", rate_per_second=1, burst=1) > 0


def test_a_smaller_burst_holds_at_once() -> None:
    rates = RateLimit(monotonic=Time())
    assert rates.take("a", rate_per_second=1, burst=100) == 0
    assert rates.take("a", rate_per_second=1, burst=1) == 0
    assert rates.take("a", rate_per_second=1, burst=1) > 0


def test_a_rate_of_nothing_asks_for_patience() -> None:
    rates = RateLimit(monotonic=Time())
    rates.take("a", rate_per_second=0, burst=1)
    assert rates.take("a", rate_per_second=0, burst=1) == 60


def test_buckets_are_bounded() -> None:
    time = Time()
    rates = RateLimit(monotonic=time, most=2)
    for tenant in "abc":
        time.now += 1
        rates.take(tenant, rate_per_second=0.001, burst=1)
    assert rates.take("c", rate_per_second=0.001, burst=1) > 0
    assert rates.take("a", rate_per_second=0.001, burst=1) == 0


async def test_only_what_was_acknowledged_is_remembered() -> None:
    recent = RecentWebhooks()
    recent.begin(("t", b"1"), "e1", b"h")
    assert isinstance(recent.find(("t", b"1")), InFlight)
    recent.finish(("t", b"1"), acknowledged=False)
    assert recent.find(("t", b"1")) is None
    recent.begin(("t", b"1"), "e1", b"h")
    recent.finish(("t", b"1"), acknowledged=True)
    found = recent.find(("t", b"1"))
    assert isinstance(found, Acknowledged)
    assert (found.event_id, found.body_hash) == ("e1", b"h")
    assert recent.find(("u", b"1")) is None


async def test_the_memory_is_bounded_by_number_and_age() -> None:
    time = Time()
    recent = RecentWebhooks(most=2, seconds=10, monotonic=time)
    for number in (b"1", b"2", b"3"):
        recent.begin(("t", number), "e", b"h")
        recent.finish(("t", number), acknowledged=True)
    assert len(recent) == 2
    assert recent.find(("t", b"1")) is None
    time.now += 11
    assert recent.find(("t", b"3")) is None


async def test_who_waits_for_the_first_learns_its_result() -> None:
    recent = RecentWebhooks()
    first = recent.begin(("t", b"1"), "e", b"h")
    waiting = [asyncio.create_task(first.acknowledged()) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # a sender that hangs up takes nothing from the others
    recent.finish(("t", b"1"), acknowledged=True)
    assert await waiting[1] is True
    assert await first.acknowledged() is True
