"""What a day brings: tenants, and when which of them sends a ticket that takes how long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

MINUTE, HOUR, DAY = 60, 3600, 86_400
DEFAULT_CAP = 5
CALL_SECONDS = (10.0, 25.0, 45.0)
"""Shortest, most frequent and longest call of the triangular distribution that they are drawn from: product.md's 10-45 s."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """`held`: from when to when, in seconds of the day, what its calls need is down."""

    name: str
    cap: int = DEFAULT_CAP
    held: tuple[tuple[float, float], ...] = ()

    def down_at(self, at: float) -> bool:
        return any(start <= at < end for start, end in self.held)


class Event(NamedTuple):
    """`at` in seconds since the day began, `tenant` as the number of its partition, `seconds` of its call."""

    at: float
    tenant: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Day:
    """`minutes` has a row a minute from midnight on, with the number of tickets of each tenant, in the tenants' order."""

    name: str
    tenants: tuple[Tenant, ...]
    minutes: tuple[tuple[int, ...], ...]

    @property
    def tickets(self) -> int:
        return sum(map(sum, self.minutes))

    def events(self, random: Random) -> list[Event]:
        """In order of time; in its minute each comes at any moment."""
        found = [
            Event(MINUTE * (number + random.random()), tenant, call_seconds(random))
            for number, row in enumerate(self.minutes)
            for tenant, tickets in enumerate(row)
            for _ in range(tickets)
        ]
        return sorted(found)

    def per_hour(self) -> list[int]:
        return [sum(map(sum, rows)) for rows in _hours(self.minutes)]


def call_seconds(random: Random) -> float:
    shortest, usual, longest = CALL_SECONDS
    return random.triangular(shortest, longest, usual)


def _hours(minutes: Sequence[tuple[int, ...]]) -> Iterable[Sequence[tuple[int, ...]]]:
    return (minutes[first : first + HOUR // MINUTE] for first in range(0, len(minutes), HOUR // MINUTE))
