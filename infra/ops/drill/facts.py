"""The timeline: what happened when, each fact once, in the words of whoever reads it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from schemas.times import rfc3339


class Kind(StrEnum):
    FAULT = "fault"
    ALERT = "alert"
    WORKER = "worker"
    RESPONDER = "responder"
    COMMAND = "command"
    AUDIT = "audit"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class Fact:
    at: datetime
    kind: Kind
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"at": rfc3339(self.at, "seconds"), "kind": self.kind.value, "text": self.text}


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Timeline:
    """Facts by time."""

    clock: Callable[[], datetime] = now
    _facts: list[Fact] = field(default_factory=list)

    def add(self, kind: Kind, text: str, at: datetime | None = None) -> Fact:
        fact = Fact(at or self.clock(), kind, text)
        self._facts.append(fact)
        return fact

    def extend(self, facts: Iterable[Fact]) -> None:
        self._facts += facts

    @property
    def facts(self) -> list[Fact]:
        return sorted(self._facts, key=lambda fact: fact.at)

    def count(self, kind: Kind) -> int:
        return sum(fact.kind is kind for fact in self._facts)


@dataclass(slots=True)
class Milestones:
    """When each was reached; None: not yet, or never. `alerted` is when the first page arrived; `mitigated` leaves out who is held
    on purpose, `drained` nobody."""

    fault: datetime | None = None
    alerted: datetime | None = None
    detected: datetime | None = None
    triaged: datetime | None = None
    told: datetime | None = None
    mitigated: datetime | None = None
    drained: datetime | None = None
    resolved: datetime | None = None
