"""Runs a stage: what its `__main__` calls with the stage's decision and the adapters that it chose."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.garbage import collect_rarely
from infra.runtime.kafka.client_settings import KafkaClient
from infra.runtime.stream.admission import Admission, Keys
from infra.runtime.stream.faust_app import StreamApp, stream_app
from infra.runtime.stream.feeder import Feeder
from infra.runtime.stream.handler import EventHandler, Process, Publishes
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.hold_gauges import HoldGauges
from infra.runtime.stream.lanes import DEFAULT_SLOTS
from infra.runtime.stream.lifecycle import STUCK_TIMEOUT, Lifecycle
from infra.runtime.stream.ports import DeadLetterSink, FailedEvents, HoldStore, TenantLimits
from infra.runtime.stream.reopening import Reopening
from infra.runtime.stream.running_file import RunningFile
from infra.runtime.stream.suspects import Suspects
from infra.runtime.stream.watchdog import assigned
from infra.runtime.telemetry import metrics
from infra.runtime.telemetry.internal_server import Check, CheckResult, InternalServer
from infra.runtime.telemetry.logs import get_logger
from infra.runtime.telemetry.ports_file import write_ports
from schemas.topics import Stage
from schemas.wire_format import Codec

log = get_logger(__name__)

GRACE = 5.0
LAST_FLUSH = 2.0


@dataclass(frozen=True, slots=True)
class StageSpec:
    """What a stage is. `detach`: its handlers outlive a rebalance and get `grace` seconds after SIGTERM (model calls)."""

    stage: Stage
    process: Process
    slots: int = DEFAULT_SLOTS
    detach: bool = False
    grace: float = GRACE
    stuck_after: float = STUCK_TIMEOUT
    """Seconds without progress after which the watchdog ends the process."""


@dataclass(frozen=True, slots=True)
class StagePorts:
    """What the runner needs from above; `processors.<stage>.__main__` chooses it."""

    kafka: KafkaClient
    limits: TenantLimits
    keys: Keys
    publisher: Publishes
    dead_letters: DeadLetterSink
    holds: HoldStore
    codec: Codec = field(default_factory=Codec)
    clock: Clock = field(default_factory=SystemClock)
    max_hold: timedelta = timedelta(hours=24)
    failed_events: FailedEvents | None = None
    producer_silent: Callable[[], float] = lambda: 0.0
    """For how many seconds the producer behind `publisher` has said nothing of what it was given."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the process lives: the topics' prefix, its internal port and its further health checks."""

    prefix: str
    internal_host: str
    internal_port: int
    ports_file: Path | None = None
    run_dir: Path | None = None
    """Where what is under way is noted down for who starts after this process's death; None: nowhere."""
    checks: Mapping[str, Check] = field(default_factory=dict)


async def run_stage(spec: StageSpec, ports: StagePorts, surroundings: Surroundings) -> int:
    """Until told to stop; the process's exit code."""
    holds = HoldBook(spec.stage.value, ports.holds, ports.clock, ports.max_hold)
    admission = Admission(spec.stage.consumes, ports.keys, ports.limits, ports.codec)
    handler = EventHandler(
        spec.stage,
        spec.process,
        admission,
        ports.publisher,
        ports.dead_letters,
        holds,
        ports.clock,
        ports.failed_events,
    )
    suspects = handler.suspects = Suspects(
        spec.stage.value, holds, ports.holds, ports.clock, _running_file(spec, ports, surroundings)
    )
    app = stream_app(spec.stage.group(surroundings.prefix), ports.kafka.faust())
    feeder = Feeder(app, handler.handle, ports.limits, slots=spec.slots, detach=spec.detach)
    metrics.SLOTS.labels(spec.stage.value).set(spec.slots)
    metrics.EVENTS_REDELIVERED.labels(spec.stage.value)  # from the start, so that the first one is an increase
    feeder.on_revoke, holds.committed = holds.forget, feeder.committed
    reopening = Reopening(holds, ports.limits, feeder.reopen, feeder.release)
    _agent(app, feeder, spec.stage.consumes.named(surroundings.prefix))
    server = InternalServer(checks={"kafka": _group_check(app), **surroundings.checks})
    await server.start(surroundings.internal_host, surroundings.internal_port)
    write_ports(surroundings.ports_file, internal=server.port)
    background = [
        asyncio.create_task(holds.write_behind()),
        asyncio.create_task(_measure(spec.stage, feeder)),
        asyncio.create_task(_every_second(HoldGauges(holds).show, reopening.look)),
    ]
    log.info("stage starts", stage=spec.stage.value, consumes=spec.stage.consumes.value, internal_port=server.port)
    await suspects.report()
    collect_rarely()
    lifecycle = Lifecycle(
        app, feeder, spec.grace, suspects.close, stuck_after=spec.stuck_after, producer_silent=ports.producer_silent
    )
    code = await lifecycle.run()
    for task in background:
        task.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(holds.flush(), LAST_FLUSH)  # else rows of settled events stay behind
    await server.stop()
    return code


def exit_with(main: Callable[[], Awaitable[int]]) -> None:
    """Runs `main` on a fresh loop and ends the process with its code, without waiting for threads that never end."""

    async def run() -> None:
        try:
            code = await main()
        except SystemExit:
            raise
        except BaseException:  # a cancellation too: asyncio.run would wait for what Faust left behind
            log.exception("the process ends on an error")
            code = 1
        logging.shutdown()
        os._exit(code)  # asyncio.run would wait for tasks that ignore cancelling, and for threads

    _install_uvloop()
    asyncio.run(run())


def _running_file(spec: StageSpec, ports: StagePorts, surroundings: Surroundings) -> RunningFile | None:
    """Named after the cluster, too: stacks that share a machine have nothing to do with each other's dead."""
    if surroundings.run_dir is None:
        return None
    cluster = sha256(",".join(ports.kafka.servers).encode()).hexdigest()[:8]
    try:
        name = f"{spec.stage.group(surroundings.prefix)}.{cluster}"
        return RunningFile.open(surroundings.run_dir, name, spec.slots)
    except OSError as error:
        log.error(
            "TICKETSTREAM_RUN_DIR can't be used: an event that kills its worker would not be found out. Name a folder that may be "
            "written to and outlives the process.", folder=str(surroundings.run_dir), error=repr(error),
        )  # fmt: skip
        return None


def _agent(app: StreamApp, feeder: Feeder, topic: str) -> None:
    source = app.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")

    @app.agent(source, name=topic)
    async def consume(stream: Any) -> None:
        await feeder.consume(stream)


_NO_SHARE = (
    "the consumer group has given this process no share yet that it can read (with access control lists it needs READ on the "
    "group and on its topic)"
)


def _group_check(app: StreamApp) -> Check:
    async def check() -> CheckResult:
        ok = await assigned(app)
        return CheckResult(ok, "" if ok else _NO_SHARE)

    return check


async def _measure(stage: Stage, feeder: Feeder) -> None:
    while True:
        waiting, running, held = feeder.counts()
        metrics.EVENTS_WAITING.labels(stage.value).set(waiting)
        metrics.EVENTS_IN_FLIGHT.labels(stage.value).set(running)
        metrics.EVENTS_HELD.labels(stage.value).set(held)
        await asyncio.sleep(1)


async def _every_second(*looks: Callable[[], None]) -> None:
    while True:
        for look in looks:
            try:
                look()
            except Exception:  # a look that fails must not end the others
                log.exception("a look at the holds failed")
        await asyncio.sleep(1)


def _install_uvloop() -> None:
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
