"""A drill from its first line to its exit code. Whatever it starts ends with it: Ctrl-C, too, and an error."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

from infra.ops.audit.reading import search
from infra.ops.cli.failure import FAILED
from infra.ops.cli.output import Output
from infra.ops.cli.running import run_async
from infra.ops.drill import runbooks
from infra.ops.drill.facts import Fact, Kind, Timeline
from infra.ops.drill.fault import OutOfMemory
from infra.ops.drill.ground import Ground, prepared
from infra.ops.drill.impact import impact
from infra.ops.drill.incident import Incident
from infra.ops.drill.observing import Observer, Page
from infra.ops.drill.person import Person, greeting, told, typed
from infra.ops.drill.plan import CASE, LOOPING, STAGE, DrillOptions, Plan
from infra.ops.drill.report import Report
from infra.ops.drill.traffic import Traffic
from sinks.postgres.audit_entries import Wanted

MOST_ENTRIES = 200


def run_drill(options: DrillOptions, output: Output) -> int:
    """0 only if every target that counts was met. Raises Failure for what keeps it from running at all."""
    return run_async(lambda: _run(options, output))


async def _run(options: DrillOptions, output: Output) -> int:
    with _ended_by(signal.SIGTERM):
        async with prepared(options, output.say) as ground:
            report = await _play(options, ground, output)
    files = report.write(options.out)
    output.result(report.as_json() | {"files": files}, lambda: None)
    output.say(f"\n{report.as_text()}")
    for name, path in files.items():
        output.say(f"{name:<12}{path}")
    return 0 if report.passed else FAILED


class _ended_by:  # noqa: N801 - used as `with _ended_by(signal.SIGTERM):`
    """The signal ends what is inside as Ctrl-C does: everything is closed, then KeyboardInterrupt."""

    def __init__(self, number: signal.Signals) -> None:
        self._number, self._received = number, False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - used inside of one

        def end() -> None:
            self._received = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(self._number, end)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        asyncio.get_running_loop().remove_signal_handler(self._number)
        if self._received and kind is asyncio.CancelledError:
            raise KeyboardInterrupt from error


@dataclass(frozen=True, slots=True)
class _Stage:
    """What goes on beside the responder."""

    incident: Incident
    traffic: Traffic
    plan: Plan


async def _play(options: DrillOptions, ground: Ground, output: Output) -> Report:
    incident = _incident(options, ground, output)
    traffic = Traffic(ground.place)
    stage = _Stage(incident, traffic, options.plan)
    async with _beside(incident.observer.run(), incident.follow(), _morning(stage)):
        if not options.auto:
            output.say(greeting(incident))
        try:
            async with asyncio.timeout(options.plan.most_seconds):
                await (runbooks.act(incident) if options.auto else Person(incident, typed()).respond())
        except TimeoutError:
            output.say(f"ended after {options.plan.most_seconds / 60:.0f} minutes")
        finally:
            await incident.end()
    incident.timeline.extend(await _audited(ground, incident))
    return Report.of(incident, impact(traffic, ground.watch, incident.observer.last), auto=options.auto)


def _incident(options: DrillOptions, ground: Ground, output: Output) -> Incident:
    timeline = Timeline()

    def on_page(page: Page) -> None:
        if not options.auto:
            output.say(told(page))

    observer = Observer(ground, timeline, on_page)
    return Incident(
        ground,
        options.plan,
        timeline,
        observer,
        OutOfMemory(ground.stack, timeline, options.plan.swell_seconds),
        output.say,
    )


async def _morning(stage: _Stage) -> None:
    """The peak of all tenants, and after a while the flood and what it does to workers. Until cancelled."""
    incident, plan, ground = stage.incident, stage.plan, stage.incident.ground
    async with asyncio.TaskGroup() as going:
        for tenant in ground.tenants:
            going.create_task(stage.traffic.peak(tenant, plan.peak_per_second))
        await asyncio.sleep(plan.calm_seconds + random.uniform(0.0, plan.surprise_seconds))
        told = f"two mailboxes of {LOOPING} answer each other: {plan.loop_tickets} large tickets; {STAGE.value} runs out of memory"
        incident.milestones.fault = incident.timeline.add(Kind.FAULT, told).at
        await ground.desks_take(plan.loop_desk_seconds, LOOPING)
        going.create_task(stage.traffic.loop(ground.tenant(LOOPING), plan.loop_tickets, plan.loop_per_second))
        going.create_task(incident.fault.run())


@asynccontextmanager
async def _beside(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """These go on while the context lasts; what one of them fails with ends it."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _audited(ground: Ground, incident: Incident) -> list[Fact]:
    """What the audit log has of the responder's changes."""
    wanted = Wanted(since=incident.milestones.fault, text=CASE)
    entries = await search(ground.place.around, None, wanted, MOST_ENTRIES)
    return [
        Fact(
            one["at"],
            Kind.AUDIT,
            f"{one['role'] or one['who']}: {one['operation']} {one['tenant_id']} {one['subject']}, {one['reason']}",
        )
        for one in entries
    ]
