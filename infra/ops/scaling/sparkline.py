"""A day in the terminal: a line of blocks for what came, what waited and how many workers there were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from infra.ops.scaling.comparison import DayCompared, Outcome
from infra.ops.scaling.simulation import Sample
from infra.ops.scaling.work import DAY, HOUR, MINUTE

BLOCKS = " ▁▂▃▄▅▆▇█"
STEP = 15 * MINUTE
"""A block each: 96 a day."""
_EVERY_HOURS = 3


def drawn(compared: DayCompared, kafka: Outcome) -> list[str]:
    """Lines of at most 130 characters; each line's own scale ends at the number behind its name."""
    steps = DAY // STEP
    minutes = [sum(row) for row in compared.day.minutes]
    arrivals = [sum(minutes[first : first + STEP // MINUTE]) for first in range(0, len(minutes), STEP // MINUTE)]
    lines = [("tickets in 15 min", arrivals, max(arrivals))]
    workers = [_most(one.samples, steps, "workers") for one in (compared.demand, kafka)]
    waiting = [_most(one.samples, steps, "waiting") for one in (compared.demand, kafka)]
    for what, pair in (("workers", workers), ("waiting", waiting)):
        top = max(map(max, pair))
        lines += [(f"{what}, {name}", values, top) for name, values in zip(("demand", "Kafka lag"), pair, strict=True)]
    return [
        f"{compared.day.name}: our demand beside KEDA's Kafka scaler, {kafka.scaler.name}",
        *(f"{name:>19} ≤{top:<5} {sparkline(values, top)}" for name, values, top in lines),
        " " * 27 + _hours(),
    ]


def sparkline(values: Sequence[float], top: float) -> str:
    """Whatever is above 0 shows."""
    highest = len(BLOCKS) - 1
    return "".join(BLOCKS[min(highest, -int(-highest * value // top))] if top else BLOCKS[0] for value in values)


def _most(samples: Iterable[Sample], steps: int, what: str) -> list[int]:
    found = [0] * steps
    for sample in samples:
        step = int(sample.at // STEP)
        if step < steps:
            found[step] = max(found[step], getattr(sample, what))
    return found


def _hours() -> str:
    return "".join(_ticks())


def _ticks() -> Iterator[str]:
    for hour in range(0, DAY // HOUR, _EVERY_HOURS):
        yield f"{hour:02}:00".ljust(_EVERY_HOURS * HOUR // STEP)
