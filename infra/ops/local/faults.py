"""Scheduled misbehaviour of the local stand-in servers: which call meets which fault."""

from collections.abc import Iterable
from random import Random
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_FAULTS = 1000


class Fault(BaseModel):
    """One way to misbehave, for the next `calls` calls, or until cleared when `calls` is None.

    `probability` is the chance that a matching call meets it; only calls that do are counted. `seconds` is how long a latency
    or a hang takes; with `seconds_max` a latency is drawn evenly from the range. `when` "after" lets the call do its work first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    when: Literal["before", "after"] = "before"
    calls: int | None = Field(default=None, ge=1)
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


class FaultSchedule(Generic[F]):
    """The faults that are set, in the order in which they were set."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._faults: list[tuple[F, int | None]] = []

    def set(self, faults: Iterable[F]) -> None:
        """Add faults. Raises ValueError above 1,000."""
        added = [(fault, fault.calls) for fault in faults]
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
        left: list[tuple[F, int | None]] = []
        for fault, calls in self._faults:
            chosen = latencies if fault.kind == "latency" else other
            full = chosen is other and bool(other)
            if full or not fault.concerns(target) or self._random.random() >= fault.probability:
                left.append((fault, calls))
                continue
            chosen.append(fault)
            if calls is None or calls > 1:
                left.append((fault, None if calls is None else calls - 1))
        self._faults = left
        return latencies + other

    def as_json(self) -> list[dict[str, Any]]:
        """The faults still set, `calls` being how many calls are left."""
        return [fault.model_dump(mode="json") | {"calls": calls} for fault, calls in self._faults]
