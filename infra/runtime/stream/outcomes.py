"""What a stage decides about an event. Outcomes are values: a stage returns one, the runner carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.events import Event
from schemas.reasons import Reason

Then = Callable[[], Awaitable[None]]


class Scope(StrEnum):
    """What a hold closes: the tenant's lane at this stage, only the event's ticket, or nothing but the event itself, which later
    ones of its ticket then overtake."""

    LANE = "lane"
    TICKET = "ticket"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Emit:
    """Publish `event` to the stage's topic, on the input's partition. `then` runs once Kafka has acknowledged it and before the
    input is committed: it may run again after a crash, so it must be idempotent. `repeated`: an earlier run had come to it."""

    event: Event
    then: Then | None = None
    repeated: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing more is to be done, and that is right. `event`, if any, tells readers downstream; `then` as in `Emit`."""

    reason: Reason
    event: Event | None = None
    then: Then | None = None
    repeated: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Hold:
    """Something is wrong with the world: run the event again after `retry_after` seconds. Its slot is given back."""

    reason: Reason
    retry_after: float
    scope: Scope = Scope.LANE
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something is wrong with the event: set it aside, with `detail` for the person who looks at it."""

    reason: Reason
    detail: str


Outcome = Emit | Drop | Hold | DeadLetter
