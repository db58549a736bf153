"""One tenant's partition at the stage: what came, what runs, what is handled, and from where on Kafka's commit can't go."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.ops.scaling.work import Event, Tenant

if TYPE_CHECKING:
    from infra.ops.scaling.worker import Worker


@dataclass(slots=True, eq=False)
class Lane:
    """Events are known by their offsets, 0 for the first."""

    tenant: Tenant
    cap: int = field(init=False)
    events: list[Event] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    """When the call of each event began that is handled, or will be when it ends; 0 before."""
    waiting: deque[int] = field(default_factory=deque)
    running: int = 0
    handled: int = 0
    committed: int = 0
    owner: Worker | None = None
    turn: int | None = None
    """Its place in its owner's order, while something waits."""
    listed: bool = False
    """Whether its owner looks at it: not while it is at its cap, or closed."""
    is_held: bool = False
    """An event failed and none was handled since."""
    closed_until: float = 0.0
    room: int = 0
    """How many may run while a lane that was held reopens; 0 for any number."""
    _ahead: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cap = self.tenant.cap

    @property
    def open(self) -> int:
        return len(self.events) - self.handled

    @property
    def behind(self) -> int:
        return len(self.events) - self.committed

    def may_start(self, now: float) -> bool:
        running = self.running
        return bool(self.waiting) and running < self.cap and now >= self.closed_until and not 0 < self.room <= running

    def arrived(self, event: Event) -> None:
        self.waiting.append(len(self.events))
        self.events.append(event)
        self.started.append(0.0)

    def start(self) -> int:
        self.running += 1
        return self.waiting.popleft()

    def done(self, offset: int) -> None:
        """Handled. What is committed goes on to the first event that isn't."""
        self.running -= 1
        self.handled += 1
        self.is_held, self.room = False, 2 * self.room if self.room < self.cap else 0
        if offset != self.committed:
            self._ahead.add(offset)
            return
        self.committed += 1
        while self.committed in self._ahead:
            self._ahead.remove(self.committed)
            self.committed += 1

    def failed(self, offset: int, closed_until: float) -> None:
        """It is the next one to try, with no other beside it."""
        self.running -= 1
        self.waiting.appendleft(offset)
        self.is_held, self.room, self.closed_until = True, 1, max(self.closed_until, closed_until)
