"""Replay runs: what was asked for, by whom and why, and how far each tenant's part has come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from schemas.topics import Stage
from sinks.postgres import audit_log
from sinks.postgres.audit_log import Audited


@dataclass(frozen=True, slots=True)
class Progress:
    """`next_offset` is where the run goes on in the topic that it replays from. Of the events `selected` some were `replayed`, some
    left because they are `answered` already, and some `skipped`, by reason."""

    next_offset: int
    selected: int = 0
    replayed: int = 0
    answered: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """One tenant's part of a run. The window's offsets are of the stage's input topic, the source's of the target stage's; both are
    fixed when the run begins, so that a run that goes on finds the same events, and none that it wrote itself."""

    tenant_id: str
    run_id: str
    stage: Stage
    to: Stage
    since: datetime
    until: datetime
    ticket_id: str | None
    again: bool
    rate: float
    who: str
    reason: str
    window: tuple[int, int]
    source: tuple[int, int]
    progress: Progress
    done: bool = False


_START = """
INSERT INTO replay_runs (tenant_id, run_id, stage, target_stage, since, until, ticket_id, again, rate, who, reason, first_offset,
    end_offset, source_first, source_end, next_offset)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_SAVE = """
UPDATE replay_runs SET next_offset = $3, selected = $4, replayed = $5, answered = $6, skipped = $7::jsonb, updated_at = now()
WHERE tenant_id = $1 AND run_id = $2
"""
_FINISH = """
UPDATE replay_runs SET state = 'done', finished_at = now() WHERE tenant_id = $1 AND run_id = $2 AND state <> 'done' RETURNING run_id
"""


class ReplayRuns:
    """`role` is that of the person who works with it, for the audit log. Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool, role: str = "") -> None:
        self._pool, self._role = pool, role

    async def start(self, run: ReplayRun) -> None:
        """Keep the run, with its entry in the audit log."""
        async with tenant_transaction(self._pool, run.tenant_id) as connection:
            await connection.execute(
                _START, run.tenant_id, run.run_id, run.stage.value, run.to.value, run.since, run.until, run.ticket_id, run.again,
                run.rate, run.who, run.reason, *run.window, *run.source, run.progress.next_offset,
            )  # fmt: skip
            await audit_log.write(connection, replace(audited(run, "replay start", run.who), role=self._role))

    async def load(self, tenant_id: str, run_id: str) -> ReplayRun | None:
        """The tenant's part of a run, None if it has none."""
        async with tenant_transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(
                "SELECT * FROM replay_runs WHERE tenant_id = $1 AND run_id = $2", tenant_id, UUID(run_id)
            )
        return _run(row) if row else None

    async def save(self, run: ReplayRun, progress: Progress) -> None:
        async with tenant_transaction(self._pool, run.tenant_id) as connection:
            await _save(connection, run, progress)

    async def resume(self, run: ReplayRun, who: str) -> None:
        """Note down in the audit log who goes on with it."""
        async with tenant_transaction(self._pool, run.tenant_id) as connection:
            await audit_log.write(connection, replace(audited(run, "replay resume", who), role=self._role))

    async def finish(self, run: ReplayRun, progress: Progress, who: str) -> None:
        """The part is done: its counts are kept and audited, once."""
        async with tenant_transaction(self._pool, run.tenant_id) as connection:
            await _save(connection, run, progress)
            if await connection.fetchval(_FINISH, run.tenant_id, UUID(run.run_id)) is not None:
                await audit_log.write(connection, replace(audited(run, "replay end", who, progress), role=self._role))


def audited(run: ReplayRun, operation: str, who: str, progress: Progress | None = None) -> Audited:
    """Who, why and what; at the end also what came of it."""
    to = "" if run.to is run.stage else f" to {run.to}"
    ticket = f", ticket {run.ticket_id}" if run.ticket_id else ""
    window = f"{run.since.isoformat()} to {run.until.isoformat()}"
    subject = f"run {run.run_id}: {run.stage}{to}, {window}{ticket}{', again' if run.again else ''}"
    return Audited(run.tenant_id, who, operation, subject, None, counts(progress) if progress else None, run.reason)


def counts(progress: Progress) -> str:
    skipped = ", ".join(f"{reason} {count}" for reason, count in sorted(progress.skipped.items()))
    return (
        f"selected {progress.selected}, replayed {progress.replayed}, answered already {progress.answered}, "
        f"skipped {sum(progress.skipped.values())}{f' ({skipped})' if skipped else ''}"
    )


async def _save(connection: Connection, run: ReplayRun, progress: Progress) -> None:
    await connection.execute(
        _SAVE, run.tenant_id, UUID(run.run_id), progress.next_offset, progress.selected, progress.replayed, progress.answered,
        json.dumps(dict(progress.skipped)),
    )  # fmt: skip


def _run(row: asyncpg.Record) -> ReplayRun:
    return ReplayRun(
        tenant_id=row["tenant_id"],
        run_id=str(row["run_id"]),
        stage=Stage(row["stage"]),
        to=Stage(row["target_stage"]),
        since=row["since"],
        until=row["until"],
        ticket_id=row["ticket_id"],
        again=row["again"],
        rate=row["rate"],
        who=row["who"],
        reason=row["reason"],
        window=(row["first_offset"], row["end_offset"]),
        source=(row["source_first"], row["source_end"]),
        progress=Progress(
            row["next_offset"], row["selected"], row["replayed"], row["answered"], json.loads(row["skipped"])
        ),
        done=row["state"] == "done",
    )
