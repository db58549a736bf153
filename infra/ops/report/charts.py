"""A line over weeks as a picture of SVG that stands in a page of HTML: no script, nothing fetched, told to screen readers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34
LINES = 4


@dataclass(frozen=True, slots=True)
class Chart:
    """`values` are one a week, None where there are no data: the line has a gap there. `least` and `most` are what the scale has at
    least; `target` is drawn as a dashed line."""

    key: str
    name: str
    weeks: Sequence[str]
    values: Sequence[float | None]
    shown: Callable[[float], str]
    target: float | None = None
    least: float | None = None
    most: float | None = None

    def svg(self) -> str:
        """Ids begin with `key`, which is ours; all texts are escaped."""
        names = f"{self.key}-title {self.key}-desc"
        parts = [
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{names}" xmlns="http://www.w3.org/2000/svg">',
            f'<title id="{self.key}-title">{escape(self.name)}</title>',
            f'<desc id="{self.key}-desc">{escape(self.told())}</desc>',
        ]
        low, high = self._scale()
        parts += [self._grid(low + (high - low) * step / LINES, low, high) for step in range(LINES + 1)]
        if self.target is not None:
            y = _y(self.target, low, high)
            parts.append(f'<line class="target" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        points = [
            None if value is None else (self._x(number), _y(value, low, high))
            for number, value in enumerate(self.values)
        ]
        parts += [f'<polyline points="{_path(run)}"/>' for run in _runs(points) if len(run) > 1]
        parts += [f'<circle cx="{x}" cy="{y}" r="3.5"/>' for x, y in filter(None, points)]
        parts += [self._label(number, week) for number, week in enumerate(self.weeks)]
        return "".join([*parts, "</svg>"])

    def told(self) -> str:
        """The picture in words."""
        each = [
            f"{week} {'no data' if value is None else self.shown(value)}"
            for week, value in zip(self.weeks, self.values, strict=True)
        ]
        target = f" Target {self.shown(self.target)}." if self.target is not None else ""
        return f"{', '.join(each)}.{target}"

    def _scale(self) -> tuple[float, float]:
        """In round steps: down from `most` where nothing is above it, else up from the least."""
        given = [value for value in (*self.values, self.target, self.least, self.most) if value is not None]
        low, high = min(given, default=0.0), max(given, default=1.0)
        step = _round_up((high - low) / LINES) if high > low else 1.0
        return (high - LINES * step, high) if high == self.most else (low, low + LINES * step)

    def _grid(self, value: float, low: float, high: float) -> str:
        y = _y(value, low, high)
        text = f'<text class="scale" x="{LEFT - 6}" y="{y + 4}">{escape(self.shown(value))}</text>'
        return f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>{text}'

    def _label(self, number: int, week: str) -> str:
        short = week.partition("-")[2] or week
        return f'<text class="week" x="{self._x(number)}" y="{HEIGHT - 12}">{escape(short)}</text>'

    def _x(self, number: int) -> float:
        room = WIDTH - LEFT - RIGHT - 24
        return round(LEFT + 12 + room * (number / (len(self.weeks) - 1) if len(self.weeks) > 1 else 0.5), 1)


def _round_up(step: float) -> float:
    """To 1, 2, 2.5, 5 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step) + 1e-9)
    return power * next(one for one in (1, 2, 2.5, 5, 10) if one * power >= step * (1 - 1e-9))


def _y(value: float, low: float, high: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low) / (high - low)), 1)


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """What lies between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return runs


def _path(run: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in run)
