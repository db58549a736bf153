"""`bench scaling`: what a day costs in workers and in waiting, under our demand and under KEDA's Kafka scaler, simulated.

No Kafka and no cluster: three published days, or one of your own, go through a model of the stage and of Kubernetes's autoscaler.
The same day gives the same figures on every machine. handbook/scaling.md explains the model and the figures.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from infra.ops.bench.figures import Bench
from infra.ops.scaling import picture
from infra.ops.scaling.cells import CELLS, LARGE, Cell
from infra.ops.scaling.comparison import DayCompared, InProcesses, Outcome, Wait, best, compare_day
from infra.ops.scaling.days import PUBLISHED, UnreadableDay, read_day
from infra.ops.scaling.made_days import day_of
from infra.ops.scaling.sparkline import drawn
from infra.ops.scaling.work import Day

HEADLINE = Wait.BOTH
"""Whose opponents are drawn: with them nobody waits longer, neither of all nor of those whom workers help."""
NO_THRESHOLD = "none lets people wait as short"


async def bench_scaling(
    tell: Callable[[str], None], *, png: Path | None = None, trace: str | None = None, slots: int | None = None,
    cell: str = LARGE.name,
) -> Bench:  # fmt: skip
    """`trace`: one of the published days, or a CSV file. Raises RuntimeError where it can't be read, or no picture be drawn."""
    if png:
        picture.check()
    chosen = CELLS[cell]
    model = chosen.model if slots is None else replace(chosen.model, slots=slots)
    days = _days(chosen, trace)
    if (most := max(len(day.tenants) for day in days)) > model.partitions:
        raise RuntimeError(f"{most} tenants are more than {model.partitions} partitions: leave some out")
    compared = []
    for day in days:
        tell(f"{day.name}: {day.tickets} tickets of {len(day.tenants)} tenants ...")
        with InProcesses(day, model, chosen.runs) as runner:
            compared.append(await asyncio.to_thread(compare_day, runner, day, model))
        seen = compared[-1]
        tell("\n".join(drawn(seen, _opponent(seen))) + f"\n{len(seen.kafka)} settings of the Kafka scaler\n")
    for line in readings(compared):
        tell(line)
    if png:
        _draw(compared, png)
        tell(f"\n{png} is written")
    bench = _figures(compared)
    bench.figures |= {"slots": model.slots, "workers_at_most": model.behaviour.maximum}
    bench.compared["cell"] = cell
    return bench


def _opponent(day: DayCompared) -> Outcome:
    """Whom a day is drawn beside: the best, or where there is none, whoever lets people wait the least."""
    return day.best(HEADLINE) or min(day.kafka.values(), key=lambda one: one.p95_helped)


def _draw(days: Sequence[DayCompared], path: Path) -> None:
    try:
        picture.draw(days, [_opponent(day) for day in days], path)
    except OSError as error:
        raise RuntimeError(f"{path} can't be written: {error}") from None


def _days(cell: Cell, trace: str | None) -> list[Day]:
    if trace is None or trace in PUBLISHED:
        return [day_of(cell, name) for name in ([trace] if trace else PUBLISHED)]
    try:
        return [read_day(Path(trace))]
    except UnreadableDay as error:
        raise RuntimeError(str(error)) from None
    except OSError as error:
        known = ", ".join(PUBLISHED)
        raise RuntimeError(f"{trace} is none of {known}, and no file that can be read: {error}") from None


def _chosen(days: Sequence[DayCompared], wait: Wait) -> dict[str, list[Outcome | None]]:
    """The opponents, by how the threshold was chosen: of each day in order."""
    one = best(days, wait)
    return {
        "best_of_day": [day.best(wait) for day in days],
        "one_for_all": [day.under(one) if one else None for day in days],
    }


def readings(days: Sequence[DayCompared]) -> list[str]:
    """Every way to read "the best threshold at no worse p95 wait", as a table of our part of its worker-hours."""
    lines = [f"{'p95 of':<8}{'threshold':<13}" + "".join(f"{day.day.name:>18}" for day in days) + f"{'median':>9}"]
    for wait in Wait:
        for how, opponents in _chosen(days, wait).items():
            ratios = [day.ratio(one) if one else None for day, one in zip(days, opponents, strict=True)]
            known = [ratio for ratio in ratios if ratio is not None]
            cells = (
                f"{_short(one)} {ratio:.0%}" if one and ratio is not None else "none"
                for one, ratio in zip(opponents, ratios, strict=True)
            )
            median = f"{statistics.median(known):.0%}" if known else "-"
            lines.append(f"{wait:<8}{how:<13}" + "".join(f"{cell:>18}" for cell in cells) + f"{median:>9}")
    return [*lines, "L: with limitToPartitionsWithLag"]


def _short(one: Outcome) -> str:
    return f"{one.scaler.target}{'L' if 'limit' in one.scaler.name else ''}:"


def _figures(days: Sequence[DayCompared]) -> Bench:
    bench = Bench("scaling")
    for day in days:
        name = day.day.name
        bench.figures[f"{name}_tickets"] = day.day.tickets
        for label, one in (("demand", day.demand), ("kafka", _opponent(day))):
            bench.figures[f"{name}_{label}_worker_hours_above_minimum"] = round(one.hours, 2)
            bench.figures[f"{name}_{label}_p95_seconds"] = round(one.p95, 1)
            bench.figures[f"{name}_{label}_p95_helped_seconds"] = round(one.p95_helped, 1)
    for wait in Wait:
        for how, opponents in _chosen(days, wait).items():
            ratios = {day.day.name: round(day.ratio(one), 3) for day, one in zip(days, opponents, strict=True) if one}
            bench.ratios |= {f"{name}_to_{how}_{wait}": ratio for name, ratio in ratios.items()}
            if ratios:
                bench.ratios[f"median_to_{how}_{wait}"] = round(statistics.median(ratios.values()), 3)
            names = [one.scaler.name if one else NO_THRESHOLD for one in opponents]
            bench.compared[f"{how}_{wait}"] = "; ".join(dict.fromkeys(names))
    bench.compared |= {
        "demand": "what /scaling says, through KEDA's metrics-api scaler",
        "kafka": "the best threshold of the day at no worse p95, neither of all nor of helped",
        "best_of_day": "the threshold of the sweep that does best on that day, known afterwards",
        "one_for_all": "the one that does best on all days compared, as a ScaledObject has one",
        "p95": "arrival to start of the call, of all events",
        "p95_helped": "of those that would start at once if there were workers enough",
    }
    return bench
