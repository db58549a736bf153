"""Fakes of a replay's ports, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from infra.ops.replay.ports import Reached
from infra.ops.replay.spans import BATCH, Batch, Span
from infra.runtime.stream.record import RawRecord
from schemas.topics import Stage, Topic
from sinks.postgres.audit_log import Audited
from sinks.postgres.replay_runs import Progress, ReplayRun, audited
from sinks.postgres.replayed_letters import LetterReplay


class FakeRuns:
    """`audit` has what the audit log would have."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], ReplayRun] = {}
        self.audit: list[Audited] = []

    async def start(self, run: ReplayRun) -> None:
        self.kept[run.tenant_id, run.run_id] = run
        self.audit.append(audited(run, "replay start", run.who))

    async def load(self, tenant_id: str, run_id: str) -> ReplayRun | None:
        return self.kept.get((tenant_id, run_id))

    async def save(self, run: ReplayRun, progress: Progress) -> None:
        key = (run.tenant_id, run.run_id)
        self.kept[key] = replace(self.kept[key], progress=progress)

    async def resume(self, run: ReplayRun, who: str) -> None:
        self.audit.append(audited(run, "replay resume", who))

    async def finish(self, run: ReplayRun, progress: Progress, who: str) -> None:
        await self.save(run, progress)
        key = (run.tenant_id, run.run_id)
        if not self.kept[key].done:
            self.kept[key] = replace(self.kept[key], done=True)
            self.audit.append(audited(run, "replay end", who, progress))


class FakeAnswered:
    def __init__(self) -> None:
        self.notes: set[tuple[str, str, str]] = set()
        self.feedback: set[tuple[str, str]] = set()

    async def with_note(self, tenant_id: str, contents: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return {pair for pair in contents if (tenant_id, *pair) in self.notes}

    async def aggregated(self, tenant_id: str, feedback_ids: Collection[str]) -> set[str]:
        return {one for one in feedback_ids if (tenant_id, one) in self.feedback}


class FakeSpans:
    """Records by topic and partition; their offsets are those that they name, their times those of the broker."""

    def __init__(self, *, batch: int = BATCH) -> None:
        self.records: dict[tuple[Topic, int], list[RawRecord]] = {}
        self._batch = batch

    def put(self, topic: Topic, partition: int, record: RawRecord) -> None:
        self.records.setdefault((topic, partition), []).append(record)

    async def between(self, topic: Topic, partition: int, since: datetime, until: datetime) -> Span:
        whole = await self.all(topic, partition)

        def first_from(time: datetime) -> int:
            later = (r.position.offset for r in self._kept(topic, partition) if r.appended_at and r.appended_at >= time)
            return next(later, whole.end)

        return Span(topic, partition, first_from(since), first_from(until))

    async def all(self, topic: Topic, partition: int) -> Span:
        kept = self._kept(topic, partition)
        return Span(
            topic, partition, kept[0].position.offset if kept else 0, kept[-1].position.offset + 1 if kept else 0
        )

    async def read(self, span: Span, start: int) -> Batch:
        kept = self._kept(span.topic, span.partition)
        found = [record for record in kept if start <= record.position.offset < span.end]
        batch = tuple(found[: self._batch])
        left = len(found) > len(batch)
        return Batch(batch, batch[-1].position.offset + 1 if left else span.end)

    def _kept(self, topic: Topic, partition: int) -> list[RawRecord]:
        return self.records.get((topic, partition), [])


class FakeGroup:
    """Implements `GroupOffsets`; by default nothing waits."""

    def __init__(self) -> None:
        self.at: dict[tuple[Stage, int], Reached] = {}

    async def reached(self, stage: Stage, partition: int) -> Reached:
        return self.at.get((stage, partition), Reached(0, 0))


class FakePublisher:
    """Keeps what is published: event, topic, partition and traceparent. Raises `fails` while that is set."""

    def __init__(self) -> None:
        self.published: list[tuple[Any, Topic, int, str | None]] = []
        self.fails: Exception | None = None

    async def publish(self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails
        self.published.append((event, topic, partition, traceparent))


class FakeLetters:
    """Implements `LetterStore`."""

    def __init__(self) -> None:
        self._replays: dict[tuple[str, str], list[LetterReplay]] = {}

    async def last(self, tenant_id: str, letter_ids: Sequence[str]) -> dict[str, LetterReplay]:
        found = {letter_id: self._last(tenant_id, letter_id) for letter_id in letter_ids}
        return {letter_id: replay for letter_id, replay in found.items() if replay is not None}

    async def claim(self, tenant_id: str, letter_id: str, run_id: str, who: str, *, again: bool) -> str | None:
        last = self._last(tenant_id, letter_id)
        if last is not None and last.replayed_at is None:
            return last.run_id
        if last is not None and not again:
            return None
        self._replays.setdefault((tenant_id, letter_id), []).append(LetterReplay(letter_id, run_id, who, None))
        return run_id

    async def done(self, tenant_id: str, letter_id: str, run_id: str) -> None:
        kept = self._replays.get((tenant_id, letter_id), [])
        self._replays[tenant_id, letter_id] = [
            replace(one, replayed_at=one.replayed_at or datetime.now(UTC)) if one.run_id == run_id else one
            for one in kept
        ]

    def _last(self, tenant_id: str, letter_id: str) -> LetterReplay | None:
        kept = self._replays.get((tenant_id, letter_id), [])
        return next((one for one in kept if one.replayed_at is None), kept[-1] if kept else None)
