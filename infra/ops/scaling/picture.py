"""The days as a picture: what came, how many workers each scaler had, and what waited. Needs matplotlib, an extra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.ops.scaling.comparison import DayCompared, Outcome
from infra.ops.scaling.work import DAY, HOUR

OURS, KAFKA, QUIET = "#0b6e99", "#d9730d", "#9a9a9a"
_INCHES = (5.2, 6.4)
"""A day's."""
_ROWS = ("tickets an hour", "workers", "waiting")


class CannotDraw(RuntimeError):
    """What to install."""


def check() -> None:
    """Raises CannotDraw, before anything is measured."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise CannotDraw("a picture needs matplotlib: pip install -c constraints.txt 'ticketstream[plots]'") from None


def draw(days: Sequence[DayCompared], kafka: Sequence[Outcome], path: Path) -> None:
    """A column a day, each with the outcome that ours is compared with. Raises CannotDraw, OSError."""
    check()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_INCHES[0] * len(days), _INCHES[1]), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(_ROWS), len(days), squeeze=False, sharex=True)
    for column, (day, other) in enumerate(zip(days, kafka, strict=True)):
        _column([axes[row][column] for row in range(len(_ROWS))], day, other)
    for row, name in enumerate(_ROWS):
        axes[row][0].set_ylabel(name)
    handles, labels = axes[1][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, format="png", metadata={"Software": None})


def _column(axes: Sequence[Any], day: DayCompared, kafka: Outcome) -> None:
    arrivals, workers, waiting = axes
    arrivals.set_title(_title(day, kafka), fontsize=9, loc="left")
    arrivals.stairs(day.day.per_hour(), range(DAY // HOUR + 1), fill=True, color=QUIET)
    for outcome, name, colour, style in ((kafka, "Kafka lag", KAFKA, "-"), (day.demand, "our demand", OURS, "-")):
        hours = [sample.at / HOUR for sample in outcome.samples]
        workers.step(
            hours, [sample.workers for sample in outcome.samples], style, where="post", color=colour, label=name
        )
        waiting.plot(hours, [sample.waiting for sample in outcome.samples], style, color=colour, linewidth=1)
    workers.set_ylim(bottom=0)
    waiting.set_yscale("symlog", linthresh=10)
    waiting.set_ylim(bottom=0)
    waiting.set_yticks([0, 10, 100, 1000], ["0", "10", "100", "1,000"])
    waiting.set_xlim(0, DAY / HOUR)
    waiting.set_xticks(range(0, DAY // HOUR + 1, 3), [f"{hour:02}:00" for hour in range(0, DAY // HOUR + 1, 3)])
    waiting.tick_params(axis="x", labelrotation=45)
    for axis in axes:
        axis.grid(visible=True, color="#e4e4e4", linewidth=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)


def _title(day: DayCompared, kafka: Outcome) -> str:
    ours = day.demand
    return (
        f"{day.day.name.replace('_', ' ')}, {day.day.tickets:,} tickets\n"
        f"demand: {ours.hours:.1f} worker-hours above the minimum, p95 {ours.p95_helped:.0f} s\n"
        f"{kafka.scaler.name}: {kafka.hours:.1f} worker-hours, p95 {kafka.p95_helped:.0f} s"
    )
