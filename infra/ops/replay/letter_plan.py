"""What replaying dead letters would do, and doing it: letter by letter, each under a claim that says by which run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from infra.ops.replay.feeding import TenantFeed
from infra.ops.replay.letters import Letter, LetterFilter, LetterJudge, Refusal, Replayable, letters
from infra.ops.replay.renewed import renewed
from infra.ops.replay.request import WrongRequest
from infra.ops.replay.run import TENANTS_AT_ONCE, side_by_side
from infra.ops.replay.spans import Span, Spans
from schemas.topics import Stage
from sinks.postgres.replayed_letters import LetterReplay

MAX_LETTERS = 100_000
FeedOf = Callable[[str, Stage, int], TenantFeed]


class LetterStore(Protocol):
    """Which letters were replayed."""

    async def last(self, tenant_id: str, letter_ids: Sequence[str]) -> Mapping[str, LetterReplay]:
        """The last replay of each that has one, an unfinished one before all others."""

    async def claim(self, tenant_id: str, letter_id: str, run_id: str, who: str, *, again: bool) -> str | None:
        """Under which run the letter is to be replayed now: an earlier one's that was not seen to its end, or this one's. None
        if it was replayed already, unless `again`."""

    async def done(self, tenant_id: str, letter_id: str, run_id: str) -> None:
        """Kafka has the event. May be said again."""


@dataclass(slots=True)
class LetterCounts:
    """Of one tenant ("" where it isn't proven): `selected` = `to_replay` + `already` + all `refused`, which are by reason with why.
    `groups` are the letters to be replayed by stage and reason."""

    selected: int = 0
    to_replay: int = 0
    already: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)
    groups: Counter[tuple[str, str]] = field(default_factory=Counter)
    replayed: int = 0

    def refuse(self, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        self.why.setdefault(refusal.reason, refusal.why)


@dataclass(frozen=True, slots=True)
class LetterReplaying:
    """The letters of `parts` that `wanted` means. `again` takes those, too, that were replayed before."""

    spans: Spans
    parts: Sequence[Span]
    wanted: LetterFilter
    judge: LetterJudge
    store: LetterStore
    again: bool = False

    async def plan(self) -> dict[str, LetterCounts]:
        """By tenant. Raises KafkaSilent, WrongRequest for more than 100,000 letters, what the database raises when it is away."""
        counts: dict[str, LetterCounts] = {}
        seen: set[str] = set()
        for part in self.parts:
            async for letter in letters(self.spans, part, self.wanted, self.judge.verifying.codec):
                if letter.event.event_id in seen:  # a stage may send a letter twice
                    continue
                seen.add(letter.event.event_id)
                if len(seen) > MAX_LETTERS:
                    raise WrongRequest(
                        f"more than {MAX_LETTERS} letters are meant", "narrow it with --since and --until"
                    )
                await self._count(letter, counts)
        return counts

    async def run(self, run_id: str, who: str, feed_of: FeedOf) -> dict[str, int]:
        """How many were replayed, by tenant; partitions side by side. A letter that was begun by an earlier run and not seen to its
        end gets that run's event id, so that what may be in Kafka already is known as a copy. Raises PublishError, KafkaSilent."""
        replayed: Counter[str] = Counter()
        slots = asyncio.Semaphore(TENANTS_AT_ONCE)

        async def work(part: Span) -> None:
            async with slots:
                async for letter in letters(self.spans, part, self.wanted, self.judge.verifying.codec):
                    judged = await self.judge.judge(letter)
                    if isinstance(judged, Replayable) and await self._replay(letter, judged, run_id, who, feed_of):
                        replayed[judged.event.tenant_id] += 1

        await side_by_side([work(part) for part in self.parts])
        return dict(replayed)

    async def _count(self, letter: Letter, counts: dict[str, LetterCounts]) -> None:
        judged = await self.judge.judge(letter)
        tenant = letter.event.tenant_id if isinstance(judged, Refusal) else judged.event.tenant_id
        mine = counts.setdefault(tenant, LetterCounts())
        mine.selected += 1
        if isinstance(judged, Refusal):
            mine.refuse(judged)
            return
        last = (await self.store.last(tenant, [letter.event.event_id])).get(letter.event.event_id)
        if last is not None and last.replayed_at is not None and not self.again:
            mine.already += 1
            return
        mine.to_replay += 1
        mine.groups[letter.event.stage, letter.event.reason] += 1

    async def _replay(self, letter: Letter, judged: Replayable, run_id: str, who: str, feed_of: FeedOf) -> bool:
        tenant, letter_id = judged.event.tenant_id, letter.event.event_id
        feed = feed_of(tenant, judged.stage, judged.partition)
        if await feed.must_pause():
            await feed.until_quiet(_nothing)
        run = await self.store.claim(tenant, letter_id, run_id, who, again=self.again)
        if run is None:
            return False
        await feed.publish(renewed(judged.event, run), judged.traceparent)
        await self.store.done(tenant, letter_id, run)
        return True


async def _nothing() -> None: ...
