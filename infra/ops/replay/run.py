"""Doing it: the selected events are published while live tickets go first, with progress kept for after a kill."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from infra.ops.replay.feeding import TenantFeed
from infra.ops.replay.ports import RunStore
from infra.ops.replay.renewed import renewed
from infra.ops.replay.selection import LeftAlone, Selected, Selection
from sinks.postgres.replay_runs import Progress, ReplayRun

TENANTS_AT_ONCE = 32
SAVE_EVERY = 100
SAVE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """One tenant's part of a run: what was noted down of it, its events, and the way into the stage."""

    run: ReplayRun
    selection: Selection
    feed: TenantFeed


@dataclass(frozen=True, slots=True)
class Running:
    """What all parts share. `who` runs it now, which may be another than who began it."""

    runs: RunStore
    who: str
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TENANTS_AT_ONCE))


async def run_parts(parts: Sequence[Part], running: Running) -> dict[str, Progress]:
    """All parts to their end, side by side: a tenant that pauses keeps nobody waiting. By tenant what became of it.

    When it is cancelled or fails, the progress of every part is kept first, so that the run can go on from there. Raises
    PublishError after two minutes without Kafka's acknowledgement, KafkaSilent, and what the database raises when it is away."""
    workers = [PartRunner(part, running) for part in parts]
    await side_by_side([worker.run() for worker in workers])
    return {worker.part.run.tenant_id: worker.progress for worker in workers}


async def side_by_side(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All to their end. Where several go wrong, raises the first: a person wants one cause."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as errors:
        error: BaseException = errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from errors


class PartRunner:
    """`progress` is always true of what Kafka has acknowledged; what is kept of it may be 100 events or a second older."""

    def __init__(self, part: Part, running: Running) -> None:
        self.part, self._running, self.progress = part, running, part.run.progress
        self._kept, self._kept_at = self.progress, time.monotonic()

    async def run(self) -> None:
        end = self.part.selection.scope.source.end
        try:
            while self.progress.next_offset < end:
                await self.part.feed.until_quiet(self._keep)
                async with self._running.slots:
                    await self._piece()
        except BaseException:
            with suppress(
                Exception
            ):  # a database that is away: what was kept last is not older than a second or 100 events
                await self._keep()
            raise
        self.part.selection.forget()
        await self._running.runs.finish(self.part.run, self.progress, self._running.who)

    async def _piece(self) -> None:
        """Ends early when live tickets begin to wait: what is left of the batch is read again later."""
        feed, run = self.part.feed, self.part.run
        piece = await self.part.selection.piece(self.progress.next_offset)
        for found in piece.found:
            if isinstance(found, Selected):
                if await feed.must_pause():
                    return
                await feed.publish(renewed(found.event, run.run_id, again=run.again), found.traceparent)
            self._count(found)
            if self._due():
                await self._keep()
        self.progress = replace(self.progress, next_offset=piece.next_offset)
        if self._due():
            await self._keep()

    def _count(self, found: Selected | LeftAlone) -> None:
        before, skipped = self.progress, Counter(self.progress.skipped)
        answered = isinstance(found, LeftAlone) and found.reason is None
        if isinstance(found, LeftAlone) and found.reason is not None:
            skipped[found.reason.value] += 1
        self.progress = Progress(
            next_offset=found.offset + 1,
            selected=before.selected + 1,
            replayed=before.replayed + isinstance(found, Selected),
            answered=before.answered + answered,
            skipped=skipped,
        )

    def _due(self) -> bool:
        many = self.progress.selected - self._kept.selected >= SAVE_EVERY
        return many or time.monotonic() - self._kept_at >= SAVE_SECONDS

    async def _keep(self) -> None:
        kept = self.progress
        if kept != self._kept:
            await self._running.runs.save(self.part.run, kept)
        self._kept, self._kept_at = kept, time.monotonic()
