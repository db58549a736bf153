"""Sources are asked at once; what comes in time is shared fairly and cut to size."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from processors.enrich.fakes import FakeSearch, FakeSource
from processors.enrich.gather import Limits, gather
from processors.enrich.ports import Query
from schemas.events import ContextItem, MissingSource, Ticket

QUERY = Query("msp-acme-corp", Ticket("1", "subject", "description"), FakeSearch())
TINY = Limits(per_source=0.05, together=0.05, letting_go=0.02)


def items(source: str, count: int, excerpt: str = "text") -> list[ContextItem]:
    return [ContextItem(source, "kind", f"{source}-{n}", "title", excerpt, 1 / (n + 1)) for n in range(count)]


def counts(context: tuple[ContextItem, ...]) -> dict[str, int]:
    return {name: sum(item.source == name for item in context) for name in sorted({item.source for item in context})}


async def test_sources_run_at_the_same_time() -> None:
    meeting = asyncio.Barrier(3)

    async def meet() -> None:
        await meeting.wait()

    gathered = await gather([FakeSource(name, items(name, 1), meet) for name in "abc"], QUERY, Limits())
    assert counts(gathered.context) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize(
    ("available", "taken"),
    [
        ((30, 30, 30), (7, 7, 6)),
        ((30, 2, 0), (18, 2, 0)),
        ((3, 2, 1), (3, 2, 1)),
        ((0, 30, 5), (0, 15, 5)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
async def test_twenty_items_are_shared_fairly(available: tuple[int, ...], taken: tuple[int, ...]) -> None:
    sources = [FakeSource(name, items(name, count)) for name, count in zip("abc", available, strict=True)]
    gathered = await gather(sources, QUERY, Limits())
    assert counts(gathered.context) == {name: n for name, n in zip("abc", taken, strict=True) if n}


async def test_the_best_of_a_source_stay_and_keep_their_order() -> None:
    gathered = await gather([FakeSource("a", items("a", 30))], QUERY, Limits())
    assert [item.id for item in gathered.context] == [f"a-{n}" for n in range(20)]


async def test_excerpts_are_cut_to_two_kibibytes_of_utf8_at_a_word() -> None:
    (item,) = (await gather([FakeSource("a", items("a", 1, "Prüfung läuft " * 400))], QUERY, Limits())).context
    assert 2000 < len(item.excerpt.encode()) <= 2048
    assert item.excerpt.removesuffix("…").split(" ")[-1] in {"Prüfung", "läuft"}


async def test_all_sources_late_is_no_failure() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    gathered = await gather([FakeSource("a", before=wait), FakeSource("b", before=wait)], QUERY, TINY)
    assert gathered.context == ()
    assert gathered.missing == (
        MissingSource("a", "no answer within 0.05 s"),
        MissingSource("b", "no answer within 0.05 s"),
    )


async def test_a_source_that_ignores_cancelling_is_not_waited_for() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    gathered = await asyncio.wait_for(gather([FakeSource("a", items("a", 1), stubborn)], QUERY, TINY), 5)
    release.set()
    assert [gone.source for gone in gathered.missing] == ["a"]
    assert gathered.context == ()


async def test_a_source_that_cancels_itself_is_missing() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    gathered = await gather([FakeSource("a", before=cancelled)], QUERY, TINY)
    assert gathered.missing == (MissingSource("a", "failed: cancelled"),)


async def test_cancelling_the_gathering_cancels_the_sources() -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    source = FakeSource("a", before=wait)
    task = asyncio.create_task(gather([source], QUERY, Limits()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while not source.cancelled:
        await asyncio.sleep(0)


async def test_the_time_of_each_source_and_of_all_is_told() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    gathered = await gather([FakeSource("quick"), FakeSource("slow", before=wait)], QUERY, TINY)
    assert set(gathered.took_ms) == {"quick", "slow", "total"}
    assert gathered.took_ms["quick"] < gathered.took_ms["slow"] <= gathered.took_ms["total"]
    assert gathered.took_ms["slow"] >= 45


async def test_no_source_at_all_gives_an_empty_context() -> None:
    gathered = await gather([], QUERY, Limits())
    assert (gathered.context, gathered.missing) == ((), ())


@pytest.mark.parametrize(("timeout", "together", "per_source"), [(120, 10, 3), (30, 10, 3), (6, 2, 2)])
def test_gathering_takes_at_most_a_third_of_the_tenants_time(timeout: int, together: float, per_source: float) -> None:
    limits = Limits().within(timeout)
    assert (limits.together, limits.per_source) == pytest.approx((together, per_source))


async def test_what_sources_take_and_why_they_give_nothing_is_counted() -> None:
    def failures(source: str, reason: str) -> float:
        labels = {"source": source, "reason": reason}
        return REGISTRY.get_sample_value("ticketstream_source_failures_total", labels) or 0.0

    async def breaks() -> None:
        raise LookupError("gone")

    async def hangs() -> None:
        await asyncio.Event().wait()

    await gather(
        [FakeSource("counted-good"), FakeSource("counted-bad", (), breaks), FakeSource("counted-late", (), hangs)],
        QUERY,
        TINY,
    )
    assert (failures("counted-bad", "error"), failures("counted-late", "timeout")) == (1, 1)
    assert failures("counted-good", "error") == failures("counted-good", "timeout") == 0
    for source in ("counted-good", "counted-bad", "counted-late"):
        assert REGISTRY.get_sample_value("ticketstream_source_seconds_count", {"source": source}) == 1
