"""The demo from its first line to its exit code."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from infra.ops.cli.database import operator_pool
from infra.ops.cli.failure import FAILED, Failure, WrongUse
from infra.ops.cli.kafka_reader import client_config
from infra.ops.cli.output import Output
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from infra.ops.demo.act import Act, play
from infra.ops.demo.feedback_round import FeedbackRound, feedback_round
from infra.ops.demo.held import HeldLane, held_lanes, where_the_lost_are
from infra.ops.demo.memory import Memory
from infra.ops.demo.report import as_object, show_counts, show_feedback, show_next, show_note
from infra.ops.demo.setting_up import Stage, bring_data, set_up, wait_until_known
from infra.ops.demo.tally import Tally, tally
from infra.ops.demo.tenants import DemoTenant, demo_tenants
from infra.ops.demo.watch import Watch
from infra.ops.local.servicedesk_simulator import SimulatorControl
from schemas.events import DeliveryOutcome, EnhancementDelivered

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`keep` leaves the stack running until Ctrl-C."""

    state_dir: Path
    keep: bool = False
    free_ports: bool = False


@dataclass(frozen=True, slots=True)
class _Played:
    act: Act
    tally: Tally
    feedback: FeedbackRound
    held: tuple[HeldLane, ...]


def run_demo(options: DemoOptions, output: Output) -> int:
    """0 only if every count is right. Raises Failure for what keeps it from running at all."""
    return run_async(lambda: _run(options, output))


async def _run(options: DemoOptions, output: Output) -> int:
    started = time.monotonic()
    async with running_stack(options, output.say):
        stack_seconds = time.monotonic() - started
        played = await _play(options, output)
        took = {"stack": round(stack_seconds, 1), "total": round(time.monotonic() - started, 1)}
        value = as_object(played.tally, played.feedback.as_object(), took)
        output.result(value, lambda: None)
        _show(output, played, options)
        output.say(f"Done in {took['total']:.1f} s, of which {took['stack']:.1f} s were for the stack.")
        for line in played.tally.unexpected:
            output.say(f"WRONG  {line}")
        if played.tally.counts["lost"] > 0:
            for line in where_the_lost_are(played.held, options.state_dir):
                output.say(line)
        if options.keep:
            output.say("Everything goes on running. Ctrl-C stops it.")
            await _until_signal()
    return 0 if played.tally.right and played.feedback.aggregate is not None else FAILED


async def _play(options: DemoOptions, output: Output) -> _Played:
    tenants = demo_tenants()
    around = Surroundings.find(options.state_dir)
    memory = Memory.load(options.state_dir)
    memory.runs += 1
    memory.save()
    async with AsyncExitStack() as opened:
        pool = await opened.enter_async_context(operator_pool(around))
        session = await opened.enter_async_context(aiohttp.ClientSession())
        desks = SimulatorControl(_simulator(around), session)
        stage = Stage(around, pool, session, desks, memory)
        partitions = await set_up(stage, tenants)
        await _bring_all_data(stage, tenants, output.say)
        await wait_until_known(stage, tenants)
        watch = await Watch(client_config(dict(around.variables)), around.topic_prefix).start(partitions.values())
        opened.push_async_callback(watch.stop)
        act = await play(stage, tenants, watch, output)
        feedback = await feedback_round(stage, act, watch)
        # Only now, so that a note written twice a little later is counted too.
        names = [tenant.tenant_id for tenant in tenants]
        counted = tally(await act.seen_now(stage, watch), names)
        held = await held_lanes(pool, names) if counted.counts["lost"] > 0 else []
        return _Played(act, counted, feedback, tuple(held))


async def _bring_all_data(stage: Stage, tenants: Sequence[DemoTenant], say: Tell) -> None:
    for tenant in tenants:
        counts = await bring_data(stage, tenant)
        say(f"{tenant.tenant_id:<16} " + ", ".join(f"{count} {what}" for what, count in counts.items()))


def _show(output: Output, played: _Played, options: DemoOptions) -> None:
    if output.json_on_stdout:
        return
    output.say()
    show_counts(output, played.tally)
    note = shown_note(played.act.watch.delivered)
    if note is not None:
        show_note(output, note)
    if played.feedback.aggregate is not None:
        show_feedback(output, played.feedback.aggregate)
    show_next(output, options.state_dir, demo_tenants()[0].tenant_id, running=options.keep)


def shown_note(delivered: Sequence[EnhancementDelivered]) -> EnhancementDelivered | None:
    """The note that cites most kinds of sources, then most sources."""
    posted = [event for event in delivered if event.outcome is DeliveryOutcome.POSTED]

    def worth(event: EnhancementDelivered) -> tuple[int, int, str]:
        return len({citation.source for citation in event.citations}), len(event.citations), event.ticket_id

    return max(posted, key=worth, default=None)


def _simulator(around: Surroundings) -> str:
    url = around.endpoints.servicedesk if around.endpoints else None
    if not url:
        raise Failure(f"no desk simulator runs in {around.folder}", "start the stack again: ticketstream up")
    return url


@asynccontextmanager
async def running_stack(options: DemoOptions, say: Tell) -> AsyncIterator[None]:
    """The stack of the state folder: the one that runs there, else one for the demo. Raises Failure with the cure."""
    from infra.ops.local.kafka import BrokerFailed, DownloadFailed, MissingTool
    from infra.ops.local.postgres import PostgresFailed
    from infra.ops.local.stack import (
        LocalStack,
        NoStack,
        StackFailed,
        StackOptions,
        StateDirInUse,
        WrongSetting,
        read_endpoints,
    )
    from infra.ops.local.stack.options import WantedPorts
    from infra.runtime.kafka.topics import TopicsError
    from sinks.postgres.migrate import MigrationError

    try:
        read_endpoints(options.state_dir)
        found = True
    except NoStack:
        found = False
    if found:
        say(f"The stack in {options.state_dir} runs already.")
        yield
        return
    ports = WantedPorts.any_free() if options.free_ports else WantedPorts()
    stack = LocalStack(StackOptions(state_dir=options.state_dir, ports=ports), tell=say)
    try:
        await stack.start()
    except (MissingTool, StateDirInUse, WrongSetting) as error:
        raise WrongUse("the local stack", str(error)) from None
    except (StackFailed, DownloadFailed, BrokerFailed, PostgresFailed, TopicsError, MigrationError) as error:
        raise Failure("the local stack did not start", str(error)) from None
    try:
        yield
    finally:
        await stack.stop()


async def _until_signal() -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
