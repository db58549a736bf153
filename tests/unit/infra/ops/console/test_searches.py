"""What takes longer than a page should: begun once, told once, forgotten when nobody comes back, and bounded."""

from __future__ import annotations

import asyncio

import pytest

from infra.ops.console.pages.searches import Searches
from infra.ops.console.refusals import Refused


class Search:
    def __init__(self) -> None:
        self.begun, self.go, self.cancelled = 0, asyncio.Event(), 0

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return number


async def test_a_quick_one_is_told_at_once_and_made_anew_at_the_next_asking() -> None:
    searches, search = Searches(patience=5), Search()
    search.go.set()

    assert [await searches.found("key", search), await searches.found("key", search)] == [1, 2]


async def test_a_slow_one_is_begun_once_and_told_to_who_comes_again() -> None:
    searches, search = Searches(patience=0.01), Search()

    assert [await searches.found("key", search), await searches.found("key", search)] == [None, None]
    search.go.set()
    await asyncio.sleep(0)

    assert (await searches.found("key", search), search.begun) == (1, 1)


async def test_an_error_reaches_who_asks() -> None:
    async def search() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Searches(patience=5).found("key", search)


async def test_what_nobody_fetches_is_ended_and_forgotten() -> None:
    now, search = 0.0, Search()
    searches = Searches(patience=0.01, kept=30, monotonic=lambda: now)
    await searches.found("key", search)
    now = 31.0
    await searches.found("other", search)
    await asyncio.sleep(0)

    assert search.cancelled == 1
    await searches.found("key", search)
    assert search.begun == 3
    await searches.stop()
    assert search.cancelled == 3


async def test_too_many_at_once_are_refused() -> None:
    searches, search = Searches(patience=0.01, most=2), Search()
    await searches.found("a", search)
    await searches.found("b", search)

    with pytest.raises(Refused) as refusal:
        await searches.found("c", search)
    assert refusal.value.status == 503
    await searches.stop()
