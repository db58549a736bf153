"""Answers are remembered for a minute, a bounded number of them, and never across tenants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import pytest

from processors.enrich.cache import AnswerCache, CachedSearch
from processors.enrich.fakes import FakeRow, FakeSearch


class Seconds:
    def __init__(self) -> None:
        self.value = 1000.0

    def __call__(self) -> float:
        return self.value


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def search() -> FakeSearch:
    return FakeSearch(knowledge={"a": [FakeRow("KB-A")], "b": [FakeRow("KB-B")]})


@pytest.fixture
def cached(search: FakeSearch, seconds: Seconds) -> CachedSearch:
    return CachedSearch(search, AnswerCache(now=seconds))


async def test_the_same_question_is_asked_once_within_a_minute(
    cached: CachedSearch, search: FakeSearch, seconds: Seconds
) -> None:
    for _ in range(3):
        assert [row.id for row in await cached.articles("a", "vpn", 5)] == ["KB-A"]
        seconds.value += 19
    assert len(search.asked) == 1
    seconds.value += 5
    await cached.articles("a", "vpn", 5)
    assert len(search.asked) == 2


async def test_two_tenants_with_the_same_question_get_their_own_answers(cached: CachedSearch) -> None:
    assert [row.id for row in await cached.articles("a", "vpn", 5)] == ["KB-A"]
    assert [row.id for row in await cached.articles("b", "vpn", 5)] == ["KB-B"]
    assert [row.id for row in await cached.articles("a", "vpn", 5)] == ["KB-A"]


async def test_every_part_of_a_question_tells_it_from_others(cached: CachedSearch, search: FakeSearch) -> None:
    one, two = ip_address("10.0.0.1"), ip_address("10.0.0.2")
    questions: list[Callable[[], Awaitable[Any]]] = [
        lambda: cached.articles("a", "vpn", 5),
        lambda: cached.articles("a", "vpn", 6),
        lambda: cached.articles("a", "mail", 5),
        lambda: cached.requester_history("a", "x@y", None, "1", 5),
        lambda: cached.requester_history("a", "x@y", "Quillmark", "1", 5),
        lambda: cached.requester_history("a", "x@y", None, "2", 5),
        lambda: cached.requester_history("a", "z@y", None, "1", 5),
        lambda: cached.similar_solved("a", "vpn", None, "1", 5),
        lambda: cached.similar_solved("a", "vpn", "Quillmark", "1", 5),
        lambda: cached.similar_solved("a", "vpn", "Quillmark", "2", 5),
        lambda: cached.by_addresses("a", [one], None),
        lambda: cached.by_addresses("a", [one], "Quillmark"),
        lambda: cached.by_addresses("a", [one, two], None),
    ]
    for _ in range(2):
        for ask in questions:
            await ask()
    assert len(search.asked) == len(questions)


async def test_two_sources_asked_alike_get_their_own_answers(seconds: Seconds) -> None:
    async def answer(name: str) -> list[FakeRow]:
        return [FakeRow(name)]

    cache = AnswerCache(now=seconds)
    for source in ("articles", "devices", "articles"):
        rows = await cache.answer("a", source, "vpn", lambda source=source: answer(source))  # type: ignore[misc]
        assert [row.id for row in rows] == [source]


async def test_it_keeps_a_bounded_number_and_drops_the_least_lately_used(seconds: Seconds) -> None:
    search, cache = FakeSearch(), AnswerCache(size=2, now=seconds)
    cached = CachedSearch(search, cache)
    await cached.articles("a", "one", 5)
    await cached.articles("a", "two", 5)
    await cached.articles("a", "one", 5)
    await cached.articles("a", "three", 5)
    assert len(cache) == 2
    await cached.articles("a", "one", 5)
    assert [question[2] for question in search.asked] == ["one", "two", "three"]


async def test_a_failure_is_not_remembered(seconds: Seconds) -> None:
    class Flaky(FakeSearch):
        async def articles(self, tenant_id: str, text: str, limit: int) -> list[FakeRow]:
            self.asked.append((tenant_id, text, limit))
            if len(self.asked) == 1:
                raise ConnectionError
            return [FakeRow("KB-A")]

    cached = CachedSearch(Flaky(), AnswerCache(now=seconds))
    with pytest.raises(ConnectionError):
        await cached.articles("a", "vpn", 5)
    assert [row.id for row in await cached.articles("a", "vpn", 5)] == ["KB-A"]
