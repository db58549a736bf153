"""Scheduled misbehaviour of the local stand-in servers: which call meets which fault."""

import time
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_FAULTS = 1000


class Fault(BaseModel):
    """One way to misbehave, for the next `calls` calls and no longer than `lasting` seconds; None is without that limit.

    `probability` is the chance that a matching call meets it; only calls that do are counted. `seconds` is how long a latency
    or a hang takes; with `seconds_max` a latency is drawn evenly from the range. `when` "after" lets the call do its work first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    when: Literal["before", "after"] = "before"
    calls: int | None = Field(default=None, ge=1)
    lasting: float | None = Field(default=None, gt=0, le=3600)
    probability: float = Field(default=1.0, gt=0, le=1)
    seconds: float | None = Field(default=None, ge=0, le=600)
    seconds_max: float | None = Field(default=None, ge=0, le=600)
    status: int = Field(default=500, ge=400, le=599)
    retry_after: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _is_possible(self) -> "Fault":
        if self.kind == "rate_limit" and self.when == "after":
            raise ValueError("a rate limit refuses a call before it is handled: leave out `when`")
        if self.kind == "latency" and self.seconds is None:
            raise ValueError("latency needs `seconds`")
        if self.seconds_max is not None and self.seconds_max < (self.seconds or 0):
            raise ValueError("`seconds_max` is below `seconds`")
        return self

    def concerns(self, target: str) -> bool:
        """Whether a call of this operation or model can meet the fault."""
        raise NotImplementedError

    def delay(self, random: Random) -> float:
        """Seconds of a latency."""
        low = self.seconds or 0.0
        return low if self.seconds_max is None else random.uniform(low, self.seconds_max)


F = TypeVar("F", bound=Fault)


class _Set(NamedTuple, Generic[F]):
    """A fault that is set, how many calls it is still for, and when it ends."""

    fault: F
    calls: int | None
    until: float


class FaultSchedule(Generic[F]):
    """The faults that are set, in the order in which they were set."""

    def __init__(self, random: Random, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._random, self._monotonic = random, monotonic
        self._faults: list[_Set[F]] = []

    def set(self, faults: Iterable[F]) -> None:
        """Add faults. Raises ValueError above 1,000."""
        now = self._monotonic()
        added = [_Set(fault, fault.calls, inf if fault.lasting is None else now + fault.lasting) for fault in faults]
        if len(self._faults) + len(added) > MOST_FAULTS:
            raise ValueError(f"more than {MOST_FAULTS} faults: clear some, or use `calls` to set a longer one")
        self._faults += added

    def clear(self) -> None:
        """Remove all."""
        self._faults.clear()

    def take(self, target: str) -> list[F]:
        """What the next call of `target` meets: every matching latency, then at most one other fault."""
        latencies: list[F] = []
        other: list[F] = []
        left: list[_Set[F]] = []
        for one in self._running():
            chosen = latencies if one.fault.kind == "latency" else other
            full = chosen is other and bool(other)
            if full or not one.fault.concerns(target) or self._random.random() >= one.fault.probability:
                left.append(one)
                continue
            chosen.append(one.fault)
            if one.calls is None or one.calls > 1:
                left.append(one._replace(calls=None if one.calls is None else one.calls - 1))
        self._faults = left
        return latencies + other

    def _running(self) -> "list[_Set[F]]":
        """Those whose time isn't over."""
        now = self._monotonic()
        return [one for one in self._faults if one.until > now]

    def as_json(self) -> list[dict[str, Any]]:
        """The faults still set, `calls` being how many calls are left."""
        return [one.fault.model_dump(mode="json") | {"calls": one.calls} for one in self._running()]
