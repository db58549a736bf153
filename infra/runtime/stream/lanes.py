"""Who runs next: a lane per tenant, in it a queue per ticket, and slots for all. Pure asyncio, one event loop.

Tenants take turns (least recently started first), each up to its cap; in a lane the oldest event whose ticket is free
starts. Events of one ticket never overlap and start in order, but for one that is put aside (`Scope.EVENT`): later ones of
its ticket may run meanwhile, and when due it is the ticket's next. A held event gives its slot back and stays open. A lane
reopens gently where the hold says so: with one event, then twice as many with each that is Done."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass
from itertools import count
from math import inf, isfinite
from typing import Any, Generic, Protocol, TypeVar

from infra.runtime.stream.lane import Item, Lane, Queue
from infra.runtime.stream.outcomes import Scope

E = TypeVar("E")
DEFAULT_SLOTS = 64
LEAST, STUBBORN, A_DAY = 0.01, 1.0, 86400.0  # seconds: shortest hold; what a cancelled handler gets; longest timer


@dataclass(frozen=True, slots=True)
class Done:
    """The event is wholly handled: its offset may be committed."""


@dataclass(frozen=True, slots=True)
class Later:
    """The event stays open and runs again after `seconds`; until then its lane or its ticket is closed, or it is put aside."""

    seconds: float
    scope: Scope = Scope.LANE
    gently: float | None = None
    """The lane reopens with one event, and twice as many with each that is Done or each so many seconds (inf: only with those).
    None: it reopens at once for as many as its cap allows."""


Verdict = Done | Later


class Clock(Protocol):  # an event loop is one
    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any: ...


class Lanes(Generic[E]):
    """`finished` is called once per event that is Done; `failed` when a handler raised: the event stays open and its ticket
    closed. Neither is called for one detached by `revoke`; neither may raise. `cap` is read at every start, by the lane's name;
    call `pump` when `slots` was raised."""

    def __init__(
        self, handle: Callable[[E], Awaitable[Verdict]], finished: Callable[[E], object],
        failed: Callable[[E, BaseException], object], *, cap: Callable[[str], int], slots: int, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._handle, self._finished, self._failed, self._cap, self.slots = handle, finished, failed, cap, slots
        self._clock: Clock = clock or asyncio.get_running_loop()
        self._lanes: dict[str, Lane[E]] = {}
        self._ring: dict[str, None] = {}  # lanes that may have something to start, in turn
        self._running: dict[asyncio.Future[Verdict], Item[E]] = {}
        self._due: list[tuple[float, str]] = []  # heap of holds
        self._timer: Any = None
        self._number = count()

    def put(self, event: E, name: str, ticket: Hashable, partition: Hashable) -> None:
        """Queue an event in the lane `name`; it may start at once."""
        lane = self._lanes.get(name) or self._lanes.setdefault(name, Lane(name))
        queue = lane.tickets.get(ticket) or lane.tickets.setdefault(ticket, Queue(ticket))
        queue.items.append(Item(event, partition, next(self._number), lane, queue))
        self._ring.setdefault(name)
        self.pump()

    def pump(self) -> None:
        """Start what may start; come back when the next hold is due."""
        now = self._clock.time()
        while self._due and self._due[0][0] <= now:
            self._ring.setdefault(heapq.heappop(self._due)[1])
        self._start_in_turn(now)
        if self._timer:
            self._timer.cancel()
        self._timer = self._clock.call_later(min(self._due[0][0] - now, A_DAY), self.pump) if self._due else None

    def reopen(self, name: str) -> None:
        """What is held in the lane `name` is tried again now, one event first; what was put aside keeps its time."""
        if lane := self._lanes.get(name):
            lane.reopen(self._clock.time())
            self._ring.setdefault(name)
            self.pump()

    def release(self, name: str) -> None:
        """All that waits in the lane `name` runs as soon as its cap allows, what is held and what was put aside too."""
        if lane := self._lanes.get(name):
            lane.release(self._clock.time())
            self._ring.setdefault(name)
            self.pump()

    def _start_in_turn(self, now: float) -> None:
        progress = True
        while progress:
            progress = False
            for name in list(self._ring):
                if len(self._running) >= self.slots:
                    return
                lane = self._lanes.get(name)
                if lane and not lane.has_room(self._cap(name), now):
                    continue  # keeps its turn
                del self._ring[name]
                if lane and (item := lane.next(now)):
                    self._start(item, now)
                    self._ring[name], progress = None, True

    def running(self, name: str) -> int:
        """How many of the lane's events run, detached ones included."""
        lane = self._lanes.get(name)
        return lane.running if lane else 0

    def counts(self) -> dict[str, dict[str, int]]:
        """Per lane: waiting, running (detached ones too), held."""
        now, result = self._clock.time(), dict[str, dict[str, int]]()
        for name, lane in self._lanes.items():
            held = sum(queue.held(now) for queue in lane.tickets.values())
            waiting = sum(len(queue.items) + len(queue.aside) for queue in lane.tickets.values()) - held
            result[name] = {"waiting": waiting, "running": lane.running, "held": held}
        return result

    def stuck_since(self) -> float | None:
        """Since which call of this a lane has been due, open and under its cap, with a slot free, and yet not started. Goes
        by the queues themselves, not by the indexes `pump` uses, so it finds mistakes in those. Re-reads the caps."""
        self.pump()
        now, free = self._clock.time(), len(self._running) < self.slots
        for lane in self._lanes.values():
            able = free and lane.has_room(self._cap(lane.name), now) and lane.next(now) is not None
            lane.stuck = None if not able else now if lane.stuck is None else lane.stuck
        return min((lane.stuck for lane in self._lanes.values() if lane.stuck is not None), default=None)

    async def revoke(self, partitions: Collection[Hashable] | None = None, *, drain: float | None = None) -> None:
        """Forget what waits or is held (of these partitions, or all). What runs is detached at once; with `drain` it may
        finish for so many seconds, then is cancelled and detached. It keeps slot, cap and ticket until it ends."""
        tasks = {task for task, item in self._running.items() if item.of(partitions)}
        for item in map(self._running.__getitem__, tasks):
            item.revoked, item.detached = True, item.detached or drain is None
        for lane in list(self._lanes.values()):
            for queue in list(lane.tickets.values()):
                queue.forget(partitions)
                self._forget_if_empty(lane, queue)
            lane.trial = lane.trial if any(queue.items for queue in lane.tickets.values()) else None
            lane.until = max((queue.due for queue in lane.tickets.values() if queue.first), default=-inf)
            self._ring.setdefault(lane.name)
        self.pump()
        if drain is not None and await self.wait_idle(drain, tasks):
            for task in (late := tasks & self._running.keys()):
                self._running[task].detached = True
                task.cancel()
            await self.wait_idle(STUBBORN, late)

    async def wait_idle(self, timeout: float, tasks: Collection[asyncio.Future[Verdict]] | None = None) -> int:
        """Wait for these handlers, or all that run now; how many still do."""
        if waiting := set(self._running if tasks is None else tasks):
            await asyncio.wait(waiting, timeout=timeout)
            await asyncio.sleep(0)  # their callbacks
        return len(waiting & self._running.keys())

    def _start(self, item: Item[E], now: float) -> None:
        item.lane.started(item)
        if item.lane.trial and isfinite(item.lane.trial.step):
            heapq.heappush(self._due, (now + item.lane.trial.step, item.lane.name))  # more may start then
        self._running[task := asyncio.ensure_future(self._handle(item.event))] = item
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Verdict]) -> None:
        lane, queue = (item := self._running.pop(task)).lane, item.queue
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        outcome = Later(inf, Scope.TICKET) if error else task.result()
        lane.ended(item, done=isinstance(outcome, Done))
        if isinstance(outcome, Later) and not item.revoked:
            self._put_back(item, self._clock.time() + max(outcome.seconds, LEAST), outcome)
        if item.detached and error and not task.cancelled():
            logging.getLogger("lanes").warning("detached handler: %r", error)
        elif error and not item.detached:
            self._failed(item.event, error)
        elif isinstance(outcome, Done) and not item.detached:
            self._finished(item.event)
        self._forget_if_empty(lane, queue)
        self._ring.setdefault(lane.name)
        self.pump()

    def _put_back(self, item: Item[E], due: float, later: Later) -> None:
        lane, queue = item.lane, item.queue
        if later.scope is Scope.EVENT:
            item.due = due
            queue.aside.append(item)
        else:
            queue.items.appendleft(item)
            queue.due, queue.first = due, later.scope is Scope.LANE
            lane.until = max(lane.until, due) if queue.first else lane.until
        if later.gently is not None:
            lane.try_again(max(lane.until, due), later.gently)
        heapq.heappush(self._due, (due, lane.name))

    def _forget_if_empty(self, lane: Lane[E], queue: Queue[E]) -> None:
        if queue.empty:
            del lane.tickets[queue.ticket]
        if not lane.tickets:
            del self._lanes[lane.name]
