"""What a run does, as far as its seed decides it: how many tickets of how many tenants, when, and which faults in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.chaos.faults import FAULTS, SHORT

MODULES: Mapping[str, str] = {
    "ingest": "ingest",
    "enrich": "processors.enrich",
    "synthesize": "processors.synthesize",
    "deliver": "processors.deliver",
    "feedback_aggregate": "processors.feedback_aggregate",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds count from the first webhook. `replicas` is how many processes of each service run; `modules` is what each runs:
    tests of the oracle put a broken one in place of one of these. `settle_seconds` bounds the time after the last webhook."""

    seed: int
    tickets: int
    tenants: int
    sending_seconds: float
    faults: tuple[tuple[float, str], ...]
    settle_seconds: float
    replicas: int = 2
    forged: int = 0
    edited: float = 0.12
    doubled: float = 0.06
    late: float = 0.04
    unheard: float = 0.03
    modules: Mapping[str, str] = field(default_factory=lambda: MODULES)

    @property
    def random(self) -> Random:
        return Random(self.seed)

    @classmethod
    def long(cls, seed: int) -> Plan:
        """3,000 tickets of 20 tenants, every kind of fault once."""
        faults = schedule(seed, tuple(FAULTS), seconds=390.0)
        return cls(seed, 3000, 20, 400.0, faults, settle_seconds=270.0, forged=300)

    @classmethod
    def short(cls, seed: int) -> Plan:
        """180 tickets of 6 tenants; of each family of faults some that pass within seconds."""
        random = Random(f"short {seed}")
        names = [name for family, count in SHORT for name in random.sample(family, count)]
        faults = schedule(seed, tuple(names), seconds=26.0)
        return cls(seed, 180, 6, 30.0, faults, settle_seconds=80.0, forged=40)


def schedule(seed: int, names: tuple[str, ...], seconds: float) -> tuple[tuple[float, str], ...]:
    """Each fault once, in an order and at times that the seed decides, spread over so many seconds."""
    random = Random(f"faults {seed}")
    order = random.sample(names, len(names))
    gap = seconds / max(1, len(order))
    return tuple((round((number + random.uniform(0.2, 0.8)) * gap, 1), name) for number, name in enumerate(order))
