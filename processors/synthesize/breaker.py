"""The circuit breaker of one model: after several failures in a row nobody calls it for a while, then one call at a time tries.

In this process only: it is opened by five failed calls, so that a fresh owner finds out for the price of five calls, none of which
is paid; and what it saves, slots and time, is this process's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from random import Random

from infra.runtime.clock import Clock
from processors.synthesize.writer.writer import WriterUnavailable

FAILURES = 5
FIRST_SECONDS = 5.0
LONGEST_SECONDS = 60.0
PROBE_SECONDS = 2.0
FORGET = timedelta(minutes=10)
"""A model that nobody wanted for so long after its breaker was due is as good as any."""


class State(IntEnum):
    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class Pass:
    """The call may be made. `probe`: it is the one that finds out whether the model is back."""

    probe: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """No call is to be made; ask again after so many seconds, which differ from caller to caller. `probing`: one is being made."""

    seconds: float
    probing: bool = False


class Breaker:
    """`admit` before each call; then exactly one of `succeeded`, `failed` and `abandoned` with what it gave.

    Open for 5 s, then twice as long after every probe that fails, up to 60 s, each up to a quarter longer, and never shorter than
    the provider's Retry-After."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._in_a_row = 0
        self._away_since: datetime | None = None
        self._until = clock.now()
        self._openings = 0
        self._probing = False
        self.last: WriterUnavailable | None = None

    @property
    def state(self) -> State:
        if self._away_since is None:
            return State.CLOSED
        return State.OPEN if self._clock.now() < self._until else State.HALF_OPEN

    @property
    def away_seconds(self) -> float:
        """Since it opened; 0 while it is closed."""
        return 0.0 if self._away_since is None else (self._clock.now() - self._away_since).total_seconds()

    @property
    def due_seconds(self) -> float:
        """Until a call may be tried; 0 if one may be now."""
        return 0.0 if self._away_since is None else max(0.0, (self._until - self._clock.now()).total_seconds())

    def admit(self) -> Pass | Stop:
        if self._away_since is not None and self._clock.now() - self._until > FORGET:
            self._close()
        if self._away_since is None:
            return Pass()
        if self.due_seconds:
            return Stop(self.due_seconds + self._random.uniform(0.0, 1.0))
        if self._probing:
            return Stop(PROBE_SECONDS * self._random.uniform(1.0, 1.5), probing=True)
        self._probing = True
        return Pass(probe=True)

    def succeeded(self, _: Pass) -> None:
        """Also a call that began before the breaker opened: the model answers now."""
        self._close()

    def failed(self, passed: Pass, failure: WriterUnavailable) -> None:
        self.last = failure
        self._in_a_row += 1
        if passed.probe:
            self._probing = False
        if passed.probe or (self._away_since is None and self._in_a_row >= FAILURES):
            self._open(failure.retry_after)
        elif self._away_since is not None:
            self._until = max(self._until, self._clock.now() + timedelta(seconds=failure.retry_after))

    def abandoned(self, passed: Pass) -> None:
        """The call ended without a word about the model: cut off, or refused for what was asked."""
        self._probing = self._probing and not passed.probe

    def _open(self, retry_after: float) -> None:
        now = self._clock.now()
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._openings, 16))
        seconds = max(pause, retry_after) * self._random.uniform(1.0, 1.25)
        self._openings += 1
        self._away_since = self._away_since or now
        self._until = now + timedelta(seconds=seconds)

    def _close(self) -> None:
        self._in_a_row = self._openings = 0
        self._away_since = None
        self._probing = False
