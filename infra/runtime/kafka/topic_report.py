"""What `topics ensure` found and did, and what goes wrong when topics aren't as they must be."""

from __future__ import annotations

from dataclasses import dataclass


class TopicsError(Exception):
    """Topics are missing or wrong; the message says what to run."""


class BrokersUnreachable(TopicsError):
    """Kafka gave no answer in time."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A topic's setting that had another value and has the right one now."""

    topic: str
    setting: str
    was: str | None
    now: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What only a person can put right; `cure` says how."""

    topic: str
    what: str
    cure: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}. {self.cure}"


@dataclass(frozen=True, slots=True)
class EnsureReport:
    """`partitions` is what every topic has now. Names carry the prefix. `grown` is in the order in which they grew."""

    partitions: int
    created: tuple[str, ...] = ()
    grown: tuple[str, ...] = ()
    corrected: tuple[Correction, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems
