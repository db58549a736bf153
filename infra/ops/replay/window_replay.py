"""`ticketstream replay` from its request to what it tells: shown, done, gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from infra.ops.cli.acting import Operator
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.output import Output
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from infra.ops.replay.feeding import TenantFeed
from infra.ops.replay.opening import Opened, open_publishing, open_reading
from infra.ops.replay.plan import Plan, plan, scopes
from infra.ops.replay.request import ReplayRequest, WrongRequest
from infra.ops.replay.run import Part, Running, run_parts
from infra.ops.replay.selection import Scope, Selection
from infra.ops.replay.spans import KafkaSilent, Span
from infra.ops.replay.window_telling import show_end, show_plan, tell_plan
from infra.runtime.kafka.producer import PublishError
from sinks.postgres.replay_runs import Progress, ReplayRun
from sinks.postgres.tenant_settings import TenantSettings

T = TypeVar("T")

WHOLE_WINDOW = "replaying a whole window"


@dataclass(frozen=True, slots=True)
class Asked:
    """No `tenants` means all. `rate` in events a second for each tenant."""

    request: ReplayRequest
    tenants: tuple[str, ...]
    reason: str
    rate: float


def replay(around: Surroundings, output: Output, asked: Asked, *, do: bool) -> int:
    """Show what the replay would do, and with `do` do it. Raises Failure, WrongUse."""

    async def work() -> None:
        async with open_reading(around, *asked.tenants) as opened:
            _allowed(opened, asked, do=do)
            selections = [
                _selection(opened, scope)
                for scope in await scopes(asked.request, _chosen(opened.tenants, asked.tenants), opened.spans)
            ]
            with output.status("reading the window …"):
                found = await plan(selections, asked.request)
            if not do or not found.total.to_replay:
                show_plan(output, found, do=do)
                return
            tell_plan(output, found)
            runs = _runs(selections, found, asked, opened.operator)
            await _start(opened, runs)
            by_tenant = {selection.scope.tenant_id: selection for selection in selections}
            await _do(opened, output, [(run, by_tenant[run.tenant_id]) for run in runs])

    run_replay(work)
    return 0


def resume(around: Surroundings, output: Output, run_id: str) -> int:
    """Go on with a run where its kept progress says. Raises Failure, WrongUse for a run that isn't."""
    try:
        run_id = str(UUID(run_id))
    except ValueError:
        raise WrongUse(f"{run_id!r} is no run", "give the id that the run told when it began") from None

    async def work() -> None:
        async with open_reading(around) as opened:
            runs = [run for one in opened.tenants if (run := await opened.runs.load(one.tenant_id, run_id))]
            if not runs:
                raise WrongUse(f"there is no run {run_id}", "give the id that the run told when it began")
            opened.at_work.need_tenants(run.tenant_id for run in runs)
            if any(run.ticket_id is None for run in runs):
                opened.at_work.need_engineer(WHOLE_WINDOW)
            for run in runs:
                if not run.done:
                    await opened.runs.resume(run, opened.operator.name)
            partitions = {one.tenant_id: one.partition for one in opened.tenants}
            await _do(opened, output, [(run, _selection(opened, _scope(run, partitions))) for run in runs])

    run_replay(work)
    return 0


def run_replay(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of `work()`; what Kafka and requests refuse becomes a failure that says what to do."""
    with _failures():
        return run_async(work)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except WrongRequest as error:
        raise WrongUse(error.what, error.cure) from None
    except KafkaSilent as error:
        what, _, cure = str(error).rpartition(": ")
        raise Failure(what or str(error), cure if what else "see that the brokers run") from None
    except PublishError as error:
        raise Failure(f"Kafka doesn't acknowledge ({error})", "see that the brokers run, then go on") from None


def _chosen(tenants: Sequence[TenantSettings], names: Sequence[str]) -> list[TenantSettings]:
    """Raises WrongUse for a name that no tenant has."""
    if unknown := sorted(set(names) - {tenant.tenant_id for tenant in tenants}):
        raise WrongUse(f"there is no tenant {', '.join(unknown)}", "see: ticketstream tenant list")
    return [tenant for tenant in tenants if not names or tenant.tenant_id in names]


def _selection(opened: Opened, scope: Scope) -> Selection:
    return Selection(scope, opened.spans, opened.verifying, opened.answered)


def _allowed(opened: Opened, asked: Asked, *, do: bool) -> None:
    """Anybody may see what a window holds of tenants of their own; all of it again is an engineer's decision."""
    if not asked.tenants:
        opened.at_work.need_all_tenants("--all-tenants")
    if do and asked.request.ticket_id is None:
        opened.at_work.need_engineer(WHOLE_WINDOW)


def _runs(selections: Sequence[Selection], found: Plan, asked: Asked, operator: Operator) -> list[ReplayRun]:
    """A new run's parts: the tenants that have something to replay."""
    run_id, request = str(uuid4()), asked.request
    return [
        ReplayRun(
            tenant_id=scope.tenant_id,
            run_id=run_id,
            stage=request.stage,
            to=request.to,
            since=request.since,
            until=request.until,
            ticket_id=request.ticket_id,
            again=request.again,
            rate=asked.rate,
            who=operator.name,
            reason=asked.reason,
            window=(scope.window.first, scope.window.end),
            source=(scope.source.first, scope.source.end),
            progress=Progress(scope.source.first),
        )
        for scope in (selection.scope for selection in selections)
        if scope.tenant_id in found.by_tenant and found.by_tenant[scope.tenant_id].to_replay
    ]


def _scope(run: ReplayRun, partitions: Mapping[str, int]) -> Scope:
    partition = partitions[run.tenant_id]
    return Scope(
        ReplayRequest(run.stage, run.to, run.since, run.until, run.ticket_id, run.again),
        run.tenant_id,
        Span(run.stage.consumes, partition, *run.window),
        Span(run.to.consumes, partition, *run.source),
    )


async def _start(opened: Opened, runs: Sequence[ReplayRun]) -> None:
    """All parts are kept before the first event is published: a run that is killed early still knows all its tenants."""
    async with open_publishing(opened):  # a key that is missing is said before anything is noted down
        pass
    for run in runs:
        await opened.runs.start(run)


async def _do(opened: Opened, output: Output, parts: Sequence[tuple[ReplayRun, Selection]]) -> None:
    run_id = parts[0][0].run_id
    go_on = f"ticketstream replay --resume {run_id}"
    ended = {run.tenant_id: run.progress for run, _ in parts if run.done}
    output.say(f"Run {run_id}. If it is stopped, go on with: {go_on}")
    try:
        async with open_publishing(opened) as (publisher, lags):
            open_parts = [
                Part(
                    run,
                    selection,
                    TenantFeed(
                        run.tenant_id,
                        run.rate,
                        publisher,
                        lags.of(run.to, selection.scope.source.partition),
                        output.say,
                    ),
                )
                for run, selection in parts
                if not run.done
            ]
            ended |= await run_parts(open_parts, Running(opened.runs, opened.operator.name))
    except BaseException as error:
        reason = "stopped" if isinstance(error, asyncio.CancelledError) else "interrupted"
        output.say(f"The replay was {reason}. Go on with: {go_on}")
        raise
    show_end(output, run_id, parts[0][0], ended)
