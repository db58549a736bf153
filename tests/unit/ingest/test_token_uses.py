"""When a token was last used: gathered, written together, kept while the store is away. And the memory of who guesses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from infra.runtime.stream.fakes import ManualClock
from ingest.fakes import FakeToken
from ingest.token_guessing import FIRST_WAIT, FORGET_SECONDS, LONGEST_WAIT, WINDOW_SECONDS, Guessing
from ingest.token_uses import TokenUses
from sinks.postgres.tokens import TokenUse

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ONE, TWO = (FakeToken(name, f"msp-{name}", frozenset()) for name in ("one", "two"))


class Store:
    def __init__(self) -> None:
        self.noted: list[list[TokenUse]] = []
        self.away = False

    async def note_uses(self, uses: Sequence[TokenUse]) -> None:
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        self.noted.append(list(uses))


async def test_of_many_uses_the_last_is_written_once() -> None:
    clock, store = ManualClock(NOON), Store()
    uses = TokenUses(clock)
    uses.note(ONE)
    clock.advance(5)
    uses.note(ONE)
    uses.note(TWO)
    assert await uses.write(store)
    later = NOON + timedelta(seconds=5)
    assert store.noted == [[TokenUse("msp-one", "one", later), TokenUse("msp-two", "two", later)]]
    assert await uses.write(store)
    assert len(store.noted) == 1, "nothing new is nothing to write"


async def test_while_the_store_is_away_uses_wait_and_the_newest_stays() -> None:
    clock, store = ManualClock(NOON), Store()
    uses, store.away = TokenUses(clock), True
    uses.note(ONE)
    assert not await uses.write(store)
    clock.advance(7)
    uses.note(ONE)
    store.away = False
    assert await uses.write(store)
    assert store.noted == [[TokenUse("msp-one", "one", NOON + timedelta(seconds=7))]]


async def test_what_waits_at_the_end_is_written() -> None:
    store, uses = Store(), TokenUses(ManualClock(NOON))
    running = asyncio.create_task(uses.run(store))
    await asyncio.sleep(0)
    uses.note(ONE)
    running.cancel()
    await asyncio.wait([running])
    assert len(store.noted) == 1


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_twenty_a_minute_are_one_too_many_and_nineteen_are_not() -> None:
    time = Time()
    guessing = Guessing(20, monotonic=time)
    assert [guessing.wrong("a") for _ in range(19)] == [0.0] * 19
    time.now += WINDOW_SECONDS + 1
    assert [guessing.wrong("a") for _ in range(19)] == [0.0] * 19
    assert guessing.wait("a") == 0.0
    assert guessing.wrong("a") == FIRST_WAIT
    assert guessing.wait("a") == FIRST_WAIT


def test_waiting_doubles_to_a_bound_and_an_hour_without_is_forgiven() -> None:
    time, waits = Time(), []
    guessing = Guessing(1, monotonic=time)
    for _ in range(8):
        waits.append(guessing.wrong("a"))
        time.now += waits[-1] + 1
    assert waits == [30, 60, 120, 240, 480, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]
    time.now += FORGET_SECONDS + 1
    assert guessing.wrong("a") == FIRST_WAIT


def test_of_any_number_of_sources_a_bounded_number_is_remembered() -> None:
    guessing = Guessing(1, most=100)
    for number in range(1000):
        guessing.wrong(f"source {number}")
    assert guessing.wait("source 0") == 0.0 and guessing.wait("source 999") > 0
    assert len(guessing._sources) == 100
