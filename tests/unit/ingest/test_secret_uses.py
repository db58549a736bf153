"""The uses of secrets, counted in memory until they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ingest.secret_uses import MOST_AT_ONCE, SecretUses
from sinks.postgres.secret_uses import SecretUse

AT = datetime(2026, 3, 1, tzinfo=UTC)
LATER = AT + timedelta(seconds=3)


class Store:
    def __init__(self) -> None:
        self.noted: list[SecretUse] = []
        self.away = False
        self.silent = False
        self.asked = 0

    async def note(self, uses: Sequence[SecretUse]) -> None:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.away:
            raise ConnectionError("PostgreSQL is away")
        self.noted += uses


async def test_uses_of_a_secret_are_one_entry_with_its_first_and_last_time() -> None:
    uses, store = SecretUses(), Store()
    uses.count("a", "s1", AT)
    uses.count("a", "s2", AT)
    uses.count("a", "s1", LATER)

    assert await uses.write(store)

    assert store.noted == [SecretUse("a", "s1", AT, LATER, 2), SecretUse("a", "s2", AT, AT, 1)]
    assert await uses.write(store)
    assert store.asked == 1, "nothing waits, nobody is asked"


async def test_while_the_store_is_away_the_counts_wait_and_grow() -> None:
    uses, store = SecretUses(), Store()
    uses.count("a", "s1", AT)
    store.away = True
    assert not await uses.write(store)
    uses.count("a", "s1", LATER)
    store.away = False

    assert await uses.write(store)

    assert store.noted == [SecretUse("a", "s1", AT, LATER, 2)]


async def test_what_is_counted_while_a_write_fails_is_added_to_what_comes_back() -> None:
    uses, store = SecretUses(), Store()
    uses.count("a", "s1", AT)
    store.silent = True
    writing = asyncio.create_task(uses.write(store))
    while not store.asked:
        await asyncio.sleep(0)
    uses.count("a", "s1", LATER)
    writing.cancel()
    await asyncio.wait([writing])
    store.silent = False

    assert await uses.write(store)

    assert store.noted == [SecretUse("a", "s1", AT, LATER, 2)]


async def test_a_statement_is_never_about_more_than_its_share() -> None:
    uses, store = SecretUses(), Store()
    for number in range(MOST_AT_ONCE + 1):
        uses.count("a", str(number), AT)

    await uses.write(store)

    assert (store.asked, len(store.noted)) == (2, MOST_AT_ONCE + 1)


async def test_what_waits_is_written_when_the_process_stops() -> None:
    uses, store = SecretUses(), Store()
    running = asyncio.create_task(uses.run(store))
    await asyncio.sleep(0)
    uses.count("a", "s1", AT)
    running.cancel()
    await asyncio.wait([running])

    assert store.noted == [SecretUse("a", "s1", AT, AT, 1)]
