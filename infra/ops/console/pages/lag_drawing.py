"""The lag chart's coordinates: drawn by the server at first, and by the page's script from the same numbers afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.ops.console.pages.lag_history import Chart

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 900, 260, 56, 14, 16, 8
TICKS = 4


@dataclass(frozen=True, slots=True)
class Drawn:
    """`ticks` are heights with their text; a line's path has a gap where its value wasn't known."""

    lines: Sequence[dict[str, str]]
    ticks: Sequence[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT

    def as_json(self) -> dict[str, Any]:
        return {"lines": self.lines, "ticks": self.ticks, "width": self.width, "height": self.height, "left": self.left}


def drawn(chart: Chart) -> Drawn:
    values = [value for line in chart.lines for value in line.values if value is not None]
    top = _round_up(max(values, default=0))
    times = [(at - chart.times[0]).total_seconds() for at in chart.times]
    length = max(times[-1], 1.0) if times else 1.0
    across = [LEFT + (WIDTH - LEFT - RIGHT) * one / length for one in times]
    lines = [{"name": line.name, "path": _path(across, line.values, top)} for line in chart.lines]
    ticks = [(_height(top * number / TICKS, top), f"{top * number // TICKS:,}") for number in range(TICKS + 1)]
    return Drawn(lines, ticks)


def _path(across: Sequence[float], values: Sequence[int | None], top: int) -> str:
    parts: list[str] = []
    drawing = False
    for x, value in zip(across, values, strict=True):
        if value is not None:
            parts.append(f"{'L' if drawing else 'M'}{x:.1f} {_height(value, top):.1f}")
        drawing = value is not None
    return "".join(parts)


def _height(value: float, top: int) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top), 1)


def _round_up(value: int) -> int:
    """To 4, 8, 20, 40, 80, 200 …: so that the ticks are whole."""
    size = 4
    while True:
        for top in (size, 2 * size, 5 * size):
            if value <= top:
                return top
        size *= 10
