"""A copy that is found out anew while the old one is shown."""

from __future__ import annotations

import asyncio

from infra.ops.console.pages.freshness import Fresh


class Source:
    def __init__(self) -> None:
        self.now, self.asked, self.gate, self.wrong = 0.0, 0, asyncio.Event(), ""
        self.gate.set()

    async def find(self) -> int:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if self.wrong:
            raise RuntimeError(self.wrong)
        return number

    def fresh(self, patience: float = 5.0) -> Fresh[int]:
        return Fresh(self.find, every=10.0, too_old=60.0, patience=patience, monotonic=lambda: self.now)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_first_is_waited_for_and_then_kept_for_a_while() -> None:
    source = Source()
    fresh = source.fresh()
    assert (await fresh.get()).value == 1
    source.now = 9.0
    assert ((await fresh.get()).value, source.asked) == (1, 1)


async def test_an_older_one_is_shown_at_once_while_a_new_one_is_found_out() -> None:
    source = Source()
    fresh = source.fresh()
    await fresh.get()
    source.now = 11.0
    source.gate.clear()
    shown = await fresh.get()
    assert (shown.value, shown.age_seconds) == (1, 11.0)
    source.gate.set()
    await settled()
    assert (await fresh.get()).value == 2
    await fresh.stop()


async def test_what_fails_leaves_the_last_and_says_why() -> None:
    source = Source()
    fresh = source.fresh()
    await fresh.get()
    source.now, source.wrong = 11.0, "PostgreSQL is away"
    await fresh.get()
    await settled()
    copy = await fresh.get()
    assert (copy.value, copy.error) == (1, "PostgreSQL is away")


async def test_what_takes_too_long_is_not_waited_for_for_ever_and_found_out_once() -> None:
    source = Source()
    source.gate.clear()
    fresh = source.fresh(patience=0.01)
    copy = await fresh.get()
    assert (copy.value, copy.error) == (None, "it takes longer than usual")
    source.now = 30.0
    await fresh.get()
    assert source.asked == 1
    await fresh.stop()
