"""What a replay needs from outside. Every method of a store raises what the database raises when it is away."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.topics import Stage, Topic
from sinks.postgres.replay_runs import Progress, ReplayRun


class RunStore(Protocol):
    """Runs, one part a tenant. Beginning, going on and ending are in the audit log, with who, why and what."""

    async def start(self, run: ReplayRun) -> None: ...
    async def load(self, tenant_id: str, run_id: str) -> ReplayRun | None:
        """The tenant's part of a run with its progress, None if it has none."""

    async def save(self, run: ReplayRun, progress: Progress) -> None: ...
    async def resume(self, run: ReplayRun, who: str) -> None: ...
    async def finish(self, run: ReplayRun, progress: Progress, who: str) -> None:
        """The part is done. May be said again, and is audited once."""


class AnsweredStore(Protocol):
    """What was answered already, of one tenant."""

    async def with_note(self, tenant_id: str, contents: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these pairs of ticket id and content hash, those whose note is on the ticket."""

    async def aggregated(self, tenant_id: str, feedback_ids: Collection[str]) -> set[str]:
        """Of these answers of technicians, those that count in the tenant's aggregate."""


class Publishes(Protocol):
    def publish(
        self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None
    ) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a stage's group is in one partition: `ahead` events are finished beyond `committed`."""

    end: int
    committed: int
    ahead: int = 0


class GroupOffsets(Protocol):
    async def reached(self, stage: Stage, partition: int) -> Reached:
        """Now. A group that never committed begins at the partition's first record. Raises KafkaSilent."""
