"""Keeps services running: each an own process with an own log, started again when it dies, stopped in reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from infra.ops.local.leash import leashed
from infra.ops.local.log_file import LogFile
from infra.ops.local.stack.service import (
    MISCONFIGURED,
    Backoff,
    ServiceEvent,
    ServiceSpec,
    ServiceState,
    ServiceStatus,
)

TRIM_SECONDS = 10.0


class Supervisor:
    """Call it on the main thread's event loop: the services end with that thread, even by `kill -9` (see `leash`).

    `on_event` is told of every start, death, failure and stop.
    """

    def __init__(
        self, logs: Path, *, backoff: Backoff | None = None, on_event: Callable[[ServiceEvent], None] = lambda _: None
    ) -> None:
        self._logs, self._backoff, self._on_event = logs, backoff or Backoff(), on_event
        self._groups: list[list[_Supervised]] = []

    async def start(self, specs: Sequence[ServiceSpec]) -> None:
        """Starts a group of services, which will also be stopped together, before all groups that were started earlier."""
        group = [_Supervised(spec, self.log(spec.name), self._backoff, self._on_event) for spec in specs]
        self._groups.append(group)
        for service in group:
            await service.start()

    async def stop(self) -> None:
        """SIGTERM to the youngest group, SIGKILL to what is left of it after its patience, then the next. Safe to call twice."""
        while self._groups:
            await asyncio.gather(*(service.stop() for service in self._groups[-1]))
            self._groups.pop()

    async def stop_one(self, name: str) -> None:
        """SIGTERM to one service, which isn't started again. Raises KeyError for a name that was never started."""
        services = {service.spec.name: service for service in self._all()}
        await services[name].stop()

    def kill(self) -> None:
        """SIGKILL to all at once."""
        for service in self._all():
            service.kill()

    def status(self, name: str) -> ServiceStatus:
        """Raises KeyError for a name that was never started."""
        return self.statuses()[name]

    def statuses(self) -> dict[str, ServiceStatus]:
        """By name, in the order of starting."""
        return {service.spec.name: service.status for service in self._all()}

    def log(self, name: str) -> LogFile:
        """Where the service's stdout and stderr go."""
        return LogFile(self._logs / f"{name}.log")

    def _all(self) -> list[_Supervised]:
        return [service for group in self._groups for service in group]


class _Supervised:
    """One service and the task that watches it."""

    def __init__(
        self, spec: ServiceSpec, log: LogFile, backoff: Backoff, on_event: Callable[[ServiceEvent], None]
    ) -> None:
        self.spec = spec
        self.status = ServiceStatus(ServiceState.STOPPED)
        self._log, self._backoff, self._on_event = log, backoff, on_event
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._spawn()
        self._watch = asyncio.create_task(self._keep_running(), name=f"supervise-{self.spec.name}")

    async def stop(self) -> None:
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            self._signal(process, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.spec.stop_seconds)
            self.kill()
        if self._watch is not None:
            await self._watch
            self._watch = None

    def kill(self) -> None:
        """Its whole session: a service that has children leaves none behind."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    async def _keep_running(self) -> None:
        deaths = 0
        while True:
            born = time.monotonic()
            code = await self._wait()
            if self._stopping.is_set():
                self._became(ServiceState.STOPPED, f"stopped ({_ending(code)})", code)
                return
            self.kill()  # what the dead service may have left in its session
            if code == MISCONFIGURED:
                self._became(ServiceState.FAILED, "refuses its settings and is not started again", code)
                return
            deaths = 1 if time.monotonic() - born > self._backoff.healthy_after else deaths + 1
            delay = self._backoff.delay(deaths)
            self._became(ServiceState.WAITING, f"died ({_ending(code)}), starting it again in {delay:.1f} s", code)
            if not await self._pause(delay):
                self._became(ServiceState.STOPPED, "stopped", code)
                return
            await self._spawn()

    async def _wait(self) -> int:
        assert self._process is not None  # noqa: S101 - the watch begins after the first start
        ended = asyncio.ensure_future(self._process.wait())
        while not (await asyncio.wait({ended}, timeout=TRIM_SECONDS))[0]:
            self._log.trim()
        return ended.result()

    async def _pause(self, seconds: float) -> bool:
        """False when it is stopped meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return not self._stopping.is_set()

    async def _spawn(self) -> None:
        if self.spec.ports_file:
            self.spec.ports_file.unlink(missing_ok=True)
        with self._log.open() as log:
            self._process = await asyncio.create_subprocess_exec(
                *leashed(list(self.spec.command), when_parent_ends=signal.SIGKILL),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                env=dict(self.spec.environment),
                start_new_session=True,  # a terminal's Ctrl-C is for the stack, which stops its parts in order
            )
        restarts = self.status.restarts + (0 if self.status.state is ServiceState.STOPPED else 1)
        self.status = ServiceStatus(ServiceState.RUNNING, self._process.pid, restarts, self.status.exit_code)
        self._on_event(ServiceEvent(self.spec.name, self.status, "started"))

    def _became(self, state: ServiceState, text: str, code: int) -> None:
        self.status = ServiceStatus(state, None, self.status.restarts, code)
        self._on_event(ServiceEvent(self.spec.name, self.status, text))

    @staticmethod
    def _signal(process: Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


def _ending(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
