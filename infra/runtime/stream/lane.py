"""What waits in one lane: a queue per ticket, what is put aside, and how gently a lane reopens. `lanes` moves it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from itertools import islice
from math import inf, isfinite
from typing import Generic, TypeVar

E = TypeVar("E")
WIDE_OPEN = 64
"""More than any tenant's cap: from here on a lane that was closed is like any other."""


@dataclass(slots=True, eq=False)
class Item(Generic[E]):
    event: E
    partition: Hashable
    number: int
    lane: Lane[E]
    queue: Queue[E]
    due: float = -inf  # while put aside
    trial: int = 0  # of the lane, when it started
    revoked: bool = False  # will not run again here
    detached: bool = False  # how it ends concerns nobody here

    def of(self, partitions: Collection[Hashable] | None) -> bool:
        return partitions is None or self.partition in partitions


@dataclass(slots=True, eq=False)
class Queue(Generic[E]):  # one ticket; its head is held while `due` is ahead
    ticket: Hashable
    items: deque[Item[E]] = field(default_factory=deque)
    aside: list[Item[E]] = field(default_factory=list)  # each until its own `due`
    due: float = -inf
    first: bool = False  # held for its lane: the next to run there
    running: bool = False

    def next(self, now: float) -> Item[E] | None:
        if self.running or self.due > now:
            return None
        if self.first and self.items:  # it closed the lane, so it opens it
            return self.items[0]
        if not self.aside:
            return self.items[0] if self.items else None
        ready = (item for item in (*self.aside, *islice(self.items, 1)) if item.due <= now)
        return min(ready, key=lambda item: item.number, default=None)

    def take(self, item: Item[E]) -> None:
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

    @property
    def empty(self) -> bool:
        return not (self.items or self.aside or self.running)


@dataclass(slots=True)
class Trial:
    """A lane that reopens after a hold: how many may run, 1 at first. Doubles with each of its events that is Done, and each `step`
    seconds. What ran already when the lane was closed isn't part of it."""

    number: int
    since: float  # reopened
    step: float
    limit: int = 1
    running: int = 0

    def allowed(self, now: float) -> int:
        steps = int(max(0.0, now - self.since) / self.step + 1e-6) if isfinite(self.step) else 0
        return self.limit << min(steps, WIDE_OPEN.bit_length())


@dataclass(slots=True, eq=False)
class Lane(Generic[E]):
    name: str
    tickets: dict[Hashable, Queue[E]] = field(default_factory=dict)
    running: int = 0
    until: float = -inf  # closed
    trial: Trial | None = None
    trials: int = 0
    stuck: float | None = None

    def next(self, now: float) -> Item[E] | None:
        ready = (item for queue in self.tickets.values() if (item := queue.next(now)))
        return None if now < self.until else min(ready, key=lambda i: (not i.queue.first, i.number), default=None)

    def has_room(self, cap: int, now: float) -> bool:
        if self.trial and self.trial.allowed(now) >= WIDE_OPEN:
            self.trial = None
        return self.running < cap and (self.trial is None or self.trial.running < self.trial.allowed(now))

    def try_again(self, since: float, step: float) -> None:
        """From `since` on it reopens gently."""
        self.trials += 1
        self.trial = Trial(self.trials, since, step)

    def started(self, item: Item[E]) -> None:
        self.running += 1
        item.queue.take(item)
        item.trial = self.trials if self.trial else 0
        if self.trial:
            self.trial.running += 1

    def ended(self, item: Item[E], *, done: bool) -> None:
        self.running, item.queue.running = self.running - 1, False
        if self.trial and item.trial == self.trial.number:
            self.trial.running -= 1
            self.trial.limit *= 2 if done and not item.detached else 1

    def release(self, now: float) -> None:
        """All that waits is due, what is put aside too."""
        for queue in self.tickets.values():
            queue.due = min(queue.due, now)
            for item in queue.aside:
                item.due = min(item.due, now)
        self.until, self.trial = min(self.until, now), None

    def reopen(self, now: float) -> None:
        """All whose ticket or lane is held are due, the first alone. What is put aside keeps its time."""
        if all(queue.due <= now for queue in self.tickets.values()):
            return
        for queue in self.tickets.values():
            queue.due = min(queue.due, now)
        self.until = min(self.until, now)
        self.try_again(now, inf)
