"""Who runs next: a lane per tenant, in it a queue per ticket, and slots for all. Pure asyncio, one event loop.

Tenants take turns (least recently started first), each up to its cap; in a lane the oldest event whose ticket is free
starts. Events of one ticket never overlap and start in order, but for one that is put aside (`Scope.EVENT`): later ones of
its ticket may run meanwhile, and when due it is the ticket's next. A held event gives its slot back and stays open."""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable
from dataclasses import dataclass, field
from itertools import count, islice
from math import inf
from typing import Any, Generic, Protocol, TypeVar

from infra.runtime.stream.outcomes import Scope

E = TypeVar("E")
LEAST, STUBBORN, A_DAY = 0.01, 1.0, 86400.0  # seconds: shortest hold; what a cancelled handler gets; longest timer


@dataclass(frozen=True, slots=True)
class Done:
    """The event is wholly handled: its offset may be committed."""


@dataclass(frozen=True, slots=True)
class Later:
    """The event stays open and runs again after `seconds`; until then its lane or its ticket is closed, or it is put aside."""

    seconds: float
    scope: Scope = Scope.LANE


Verdict = Done | Later


class Clock(Protocol):  # an event loop is one
    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any: ...


@dataclass(slots=True, eq=False)
class _Queue(Generic[E]):  # one ticket; its head is held while `due` is ahead
    ticket: Hashable
    items: deque[_Item[E]] = field(default_factory=deque)
    aside: list[_Item[E]] = field(default_factory=list)  # each until its own `due`
    due: float = -inf
    first: bool = False  # held for its lane: the next to run there
    running: bool = False

    def next(self, now: float) -> _Item[E] | None:
        if self.running or self.due > now:
            return None
        if self.first and self.items:  # it closed the lane, so it opens it
            return self.items[0]
        if not self.aside:
            return self.items[0] if self.items else None
        ready = (item for item in (*self.aside, *islice(self.items, 1)) if item.due <= now)
        return min(ready, key=lambda item: item.number, default=None)

    def take(self, item: _Item[E]) -> None:
        if self.items and item is self.items[0]:
            self.items.popleft()
            self.first = False
        else:
            self.aside.remove(item)
        item.due, self.running = -inf, True

    def held(self, now: float) -> int:
        return (self.due > now) + sum(item.due > now for item in self.aside)

    def forget(self, partitions: Collection[Hashable] | None) -> None:
        if self.items and self.items[0].of(partitions):
            self.due, self.first = -inf, False
        self.items = deque(item for item in self.items if not item.of(partitions))
        self.aside = [item for item in self.aside if not item.of(partitions)]


@dataclass(slots=True, eq=False)
class _Lane(Generic[E]):
    name: str
    tickets: dict[Hashable, _Queue[E]] = field(default_factory=dict)
    running: int = 0
    until: float = -inf  # closed
    stuck: float | None = None

    def next(self, now: float) -> _Item[E] | None:
        ready = (item for queue in self.tickets.values() if (item := queue.next(now)))
        return None if now < self.until else min(ready, key=lambda i: (not i.queue.first, i.number), default=None)


@dataclass(slots=True, eq=False)
class _Item(Generic[E]):
    event: E
    partition: Hashable
    number: int
    lane: _Lane[E]
    queue: _Queue[E]
    due: float = -inf  # while put aside
    revoked: bool = False  # will not run again here
    detached: bool = False  # how it ends concerns nobody here

    def of(self, partitions: Collection[Hashable] | None) -> bool:
        return partitions is None or self.partition in partitions


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
        self._lanes: dict[str, _Lane[E]] = {}
        self._ring: dict[str, None] = {}  # lanes that may have something to start, in turn
        self._running: dict[asyncio.Future[Verdict], _Item[E]] = {}
        self._due: list[tuple[float, str]] = []  # heap of holds
        self._timer: Any = None
        self._number = count()

    def put(self, event: E, name: str, ticket: Hashable, partition: Hashable) -> None:
        """Queue an event in the lane `name`; it may start at once."""
        lane = self._lanes.get(name) or self._lanes.setdefault(name, _Lane(name))
        queue = lane.tickets.get(ticket) or lane.tickets.setdefault(ticket, _Queue(ticket))
        queue.items.append(_Item(event, partition, next(self._number), lane, queue))
        self._ring.setdefault(name)
        self.pump()

    def pump(self) -> None:
        """Start what may start; come back when the next hold is due."""
        now, progress = self._clock.time(), True
        while self._due and self._due[0][0] <= now:
            self._ring.setdefault(heapq.heappop(self._due)[1])
        if self._timer:
            self._timer.cancel()
        self._timer = self._clock.call_later(min(self._due[0][0] - now, A_DAY), self.pump) if self._due else None
        while progress:
            progress = False
            for name in list(self._ring):
                if len(self._running) >= self.slots:
                    return
                lane = self._lanes.get(name)
                if lane and lane.running >= self._cap(name):
                    continue  # keeps its turn
                del self._ring[name]
                if lane and (item := lane.next(now)):
                    self._start(item)
                    self._ring[name], progress = None, True

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
            able = free and lane.running < self._cap(lane.name) and lane.next(now) is not None
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

    def _start(self, item: _Item[E]) -> None:
        item.queue.take(item)
        item.lane.running += 1
        self._running[task := asyncio.ensure_future(self._handle(item.event))] = item
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Future[Verdict]) -> None:
        lane, queue = (item := self._running.pop(task)).lane, item.queue
        lane.running, queue.running = lane.running - 1, False
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        outcome = Later(inf, Scope.TICKET) if error else task.result()
        if isinstance(outcome, Later) and not item.revoked:
            self._put_back(item, self._clock.time() + max(outcome.seconds, LEAST), outcome.scope)
        if item.detached and error and not task.cancelled():
            logging.getLogger("lanes").warning("detached handler: %r", error)
        elif error and not item.detached:
            self._failed(item.event, error)
        elif isinstance(outcome, Done) and not item.detached:
            self._finished(item.event)
        self._forget_if_empty(lane, queue)
        self._ring.setdefault(lane.name)
        self.pump()

    def _put_back(self, item: _Item[E], due: float, scope: Scope) -> None:
        lane, queue = item.lane, item.queue
        if scope is Scope.EVENT:
            item.due = due
            queue.aside.append(item)
        else:
            queue.items.appendleft(item)
            queue.due, queue.first = due, scope is Scope.LANE
            lane.until = max(lane.until, due) if queue.first else lane.until
        heapq.heappush(self._due, (due, lane.name))

    def _forget_if_empty(self, lane: _Lane[E], queue: _Queue[E]) -> None:
        if not queue.items and not queue.aside and not queue.running:
            del lane.tickets[queue.ticket]
        if not lane.tickets:
            del self._lanes[lane.name]
