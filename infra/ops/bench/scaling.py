"""`bench scaling`: what a day costs in workers and in waiting, under our demand and under KEDA's Kafka scaler, simulated.

No Kafka and no cluster: three published days, or one of your own, go through a model of the stage and of Kubernetes's autoscaler.
The same day gives the same figures on every machine. handbook/scaling.md explains the model and the figures.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from infra.ops.bench.figures import Bench
from infra.ops.scaling import picture
from infra.ops.scaling.comparison import DayCompared, Outcome, best, compare_day, reached
from infra.ops.scaling.days import PUBLISHED, UnreadableDay, published_day, read_day
from infra.ops.scaling.simulation import SLOTS, StageModel
from infra.ops.scaling.sparkline import drawn
from infra.ops.scaling.work import Day


async def bench_scaling(
    tell: Callable[[str], None], *, png: Path | None = None, trace: str | None = None, slots: int = SLOTS
) -> Bench:
    """`trace`: one of the published days, or a CSV file. Raises RuntimeError where it can't be read, or no picture be drawn."""
    if png:
        picture.check()
    days, model = _days(trace), StageModel(slots=slots)
    if (most := max(len(day.tenants) for day in days)) > model.partitions:
        raise RuntimeError(f"{most} tenants are more than {model.partitions} partitions: leave some out")
    compared = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as executor:
        for day in days:
            compared.append(await asyncio.to_thread(compare_day, day, model, executor=executor))
            tell(
                f"{day.name}: {day.tickets} tickets of {len(day.tenants)} tenants, {len(compared[-1].kafka)} thresholds"
            )
    chosen = best(compared)
    kafka = [day.kafka[chosen] for day in compared]
    for seen, other in zip(compared, kafka, strict=True):
        tell("\n".join(["", *drawn(seen, other)]))
    if png:
        _draw(compared, kafka, png)
        tell(f"\n{png} is written")
    return _figures(compared, chosen, slots)


def _draw(days: Sequence[DayCompared], kafka: Sequence[Outcome], path: Path) -> None:
    try:
        picture.draw(days, kafka, path)
    except OSError as error:
        raise RuntimeError(f"{path} can't be written: {error}") from None


def _days(trace: str | None) -> list[Day]:
    if trace is None or trace in PUBLISHED:
        return [published_day(name) for name in ([trace] if trace else PUBLISHED)]
    try:
        return [read_day(Path(trace))]
    except UnreadableDay as error:
        raise RuntimeError(str(error)) from None
    except OSError as error:
        known = ", ".join(PUBLISHED)
        raise RuntimeError(f"{trace} is none of {known}, and no file that can be read: {error}") from None


def _figures(days: Sequence[DayCompared], chosen: int, slots: int) -> Bench:
    bench = Bench("scaling", figures={"slots": slots})
    for day in days:
        name = day.day.name
        bench.figures[f"{name}_tickets"] = day.day.tickets
        for label, one in (("demand", day.demand), ("kafka", day.kafka[chosen]), ("kafka_own_best", day.own_best)):
            bench.figures[f"{name}_{label}_worker_hours_above_minimum"] = round(one.hours, 2)
            bench.figures[f"{name}_{label}_p95_seconds"] = round(one.p95, 1)
            bench.figures[f"{name}_{label}_p95_helped_seconds"] = round(one.p95_helped, 1)
        bench.ratios[f"{name}_worker_hours_to_kafka"] = round(day.ratio(day.kafka[chosen]), 3)
        bench.ratios[f"{name}_worker_hours_to_kafka_own_best"] = round(day.ratio(day.own_best), 3)
        bench.compared[f"{name}_kafka_own_best"] = f"{day.own_best.scaler.name}: the best for this day alone"
    for label in ("kafka", "kafka_own_best"):
        ratios = [bench.ratios[f"{day.day.name}_worker_hours_to_{label}"] for day in days]
        bench.ratios[f"median_worker_hours_to_{label}"] = round(statistics.median(ratios), 3)
    waits = (
        "nobody waits longer than with demand"
        if reached(days, chosen)
        else "none lets people wait as short: the shortest"
    )
    bench.compared |= {
        "demand": "what /scaling says, through KEDA's metrics-api scaler",
        "kafka": f"{days[0].kafka[chosen].scaler.name}: the best of the sweep for all days compared; {waits}",
        "p95": "arrival to start of the call, of all events",
        "p95_helped": "of those that would start at once if there were workers enough",
    }
    return bench
