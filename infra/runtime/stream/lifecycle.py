"""A stage's life: wait for Kafka, run, watch, and stop within bounds. Every way out ends the process with a telling code."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from infra.runtime.stream.faust_app import StreamApp
from infra.runtime.stream.feeder import Feeder
from infra.runtime.stream.watchdog import broker_accepts, left_alone_by_its_group, symptoms
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

CRASHED, STUCK = 70, 75
"""Exit codes; the supervisor restarts on either."""
STOP_TIMEOUT = 9.0
LEAVE_TIMEOUT = 6.0
STUCK_TIMEOUT = 60.0


@dataclass(slots=True)
class Lifecycle:
    """`grace` is how many seconds running handlers get after SIGTERM; the group is left at once. `ended` is called when the process
    ends for a reason that no event is to blame for; a loop that is blocked is no such reason."""

    app: StreamApp
    feeder: Feeder
    grace: float
    ended: Callable[[], None] = lambda: None
    stuck_after: float = STUCK_TIMEOUT
    producer_silent: Callable[[], float] = lambda: 0.0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    _beat: float = field(default_factory=time.monotonic)
    _finished: bool = False

    async def run(self) -> int:
        """Until SIGTERM or SIGINT (0), a crash (70) or no progress (75)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)
        # A thread, because Faust joins threads on the loop when it stops, which may block it for ever.
        threading.Thread(target=self._guard, name="watchdog", daemon=True).start()
        self.app.finalize()
        while not (self.stop.is_set() or await broker_accepts(self.app)):  # exiting would earn a restart's back-off
            self._beat = time.monotonic()
            await asyncio.sleep(1)
        if self.stop.is_set():
            self.ended()
            return 0
        start = asyncio.ensure_future(self.app.start())
        await self._watch(start)
        self._beat = time.monotonic()
        self.stop.set()
        if start.done() and not self.code:
            await self._leave_then_finish()
        self.ended()
        self._beat, self._finished = time.monotonic(), True
        with contextlib.suppress(Exception, asyncio.CancelledError):  # of a crashed app comes the latter
            await self.app.stop()
        return self.code

    async def _watch(self, start: asyncio.Future[Any]) -> None:
        since: dict[str, float] = {}
        while not (self.stop.is_set() or self.code):
            self._beat = now = time.monotonic()
            if reason := self._crashed(start):
                log.error("crashed", error=reason)
                self.code = CRASHED
                return
            found = symptoms(self.app, self.feeder, self.producer_silent()) if start.done() else {"starting": True}
            since = {name: since.get(name, now) for name, shows in found.items() if shows}
            late = [name for name, at in since.items() if now - at > self.stuck_after]
            if late and await broker_accepts(self.app):
                log.error("watchdog: no progress", seconds=self.stuck_after, symptoms=late)
                self.code = STUCK
            elif late:
                since.clear()  # once it is back, all may take its time again
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), 0.5)

    def _crashed(self, start: asyncio.Future[Any]) -> str:
        """Why, as text; empty if it didn't."""
        if self.app.crashed or (start.done() and start.exception()):
            return repr(self.app.crash_reason or start.exception())
        lost = left_alone_by_its_group(self.app)
        return repr(lost) if lost else ""

    async def _leave_then_finish(self) -> None:
        """Before app.stop(), which blocks the loop while the broker is away."""
        self.app.leaving, until = True, time.monotonic() + self.grace
        consumer = cast(Any, self.app.consumer)
        with contextlib.suppress(Exception, asyncio.CancelledError):  # of what waits on a connection that is closed
            await self._beating(self.app._stop_consumer(), LEAVE_TIMEOUT)
        if (
            not consumer.left
        ):  # nothing was assigned just then, in a rebalance: it would stay a member for as long as it lives
            await self._leave_all_the_same(consumer)
        log.info("left the group", left=consumer.left, running=self._running())
        while self._running() and time.monotonic() < until:
            self._beat = time.monotonic()
            await self.feeder.lanes.wait_idle(0.5)
        self._beat = time.monotonic()
        if left := self._running():
            log.warning("grace is over: handlers cut off", handlers=left)

    async def _leave_all_the_same(self, consumer: Any) -> None:
        await self._beating(self.feeder.revoke(self.app.drain_timeout), LEAVE_TIMEOUT)
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await self._beating(consumer.leave(), self.app.commit_timeout)

    async def _beating(self, work: Awaitable[Any], seconds: float) -> None:
        """Waits for what may take so long, with a sign of life: waiting isn't being blocked."""
        task, until = asyncio.ensure_future(work), time.monotonic() + seconds
        while not task.done() and time.monotonic() < until:
            self._beat = time.monotonic()
            await asyncio.wait({task}, timeout=0.5)
        if task.done():
            task.result()
        else:
            task.cancel()

    def _running(self) -> int:
        return self.feeder.counts()[1]

    def _guard(self) -> None:
        while time.monotonic() - self._beat < self._patience():
            time.sleep(0.2)
        faulthandler.dump_traceback()
        os._exit(self.code or STUCK)

    def _patience(self) -> float:
        """Seconds for which the loop may be silent: long, as long as calls run that would have to be repeated."""
        if not self.stop.is_set():
            return self.stuck_after
        return STOP_TIMEOUT if self._finished else max(STOP_TIMEOUT, min(self.grace, self.stuck_after))
