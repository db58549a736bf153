"""The lag of the last minutes, kept in memory: what the live chart draws. Bounded in time and in lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.times import rfc3339

SAMPLES = 180
"""At one every 5 s, a quarter of an hour."""
MOST_TENANTS = 200
"""Of a sample and stage, those with the longest lag."""
LINES = 4
"""Of the chart: more can't be told apart."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`lags` by stage and tenant, without those of no lag; a stage that isn't there wasn't known."""

    at: datetime
    lags: Mapping[str, Mapping[str, int]]


@dataclass(slots=True)
class LagHistory:
    """`newest` is the lag service's last object, `error` why there is no newer one."""

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    newest: Mapping[str, Any] | None = None
    newest_at: datetime | None = None
    error: str = "the lag service was not asked yet"

    def add(self, at: datetime, lag: Mapping[str, Any]) -> None:
        self.newest, self.newest_at, self.error = lag, at, str(lag.get("error") or "")
        self.samples.append(
            Sample(at, {name: _behind(stage) for name, stage in lag["stages"].items() if _known(stage)})
        )

    def missed(self, error: str) -> None:
        self.error = error

    def current(self, now: datetime, within_seconds: float = 15.0) -> Mapping[str, Any] | None:
        """The newest object, None where it is too old to be called current."""
        if self.newest_at is None or (now - self.newest_at).total_seconds() > within_seconds:
            return None
        return self.newest


@dataclass(frozen=True, slots=True)
class Line:
    """One of the chart: a value for each time, None where it wasn't known."""

    name: str
    values: Sequence[int | None]

    @property
    def now(self) -> int | None:
        return self.values[-1] if self.values else None

    @property
    def most(self) -> int | None:
        return max((value for value in self.values if value is not None), default=None)


@dataclass(frozen=True, slots=True)
class Chart:
    times: Sequence[datetime]
    lines: Sequence[Line]

    def as_json(self) -> dict[str, Any]:
        return {
            "times": [rfc3339(at, "seconds") for at in self.times],
            "lines": [{"name": line.name, "values": line.values} for line in self.lines],
        }


def chart(
    history: LagHistory, own: Collection[str] | None, *, tenant: str = "", stage: str = "", by_tenant: bool = False
) -> Chart:
    """A line a stage, of one tenant or of all that the person may touch; or a line for each of the tenants that are behind most."""
    samples = list(history.samples)
    stages = sorted({name for sample in samples for name in sample.lags} & ({stage} if stage else _any(samples)))
    times = [sample.at for sample in samples]

    def may(name: str) -> bool:
        return (own is None or name in own) and (not tenant or name == tenant)

    if not by_tenant:
        lines = [Line(name, [_sum(sample, [name], may) for sample in samples]) for name in stages]
        return Chart(times, lines)
    peaks: dict[str, int] = {}
    for sample in samples:
        for name in stages:
            for one, lag in sample.lags.get(name, {}).items():
                if may(one):
                    peaks[one] = max(peaks.get(one, 0), lag)
    worst = sorted(peaks, key=lambda one: (-peaks[one], one))[:LINES]
    return Chart(times, [Line(one, [_sum(s, stages, one.__eq__) for s in samples]) for one in worst])


def _sum(sample: Sample, stages: Sequence[str], may: Any) -> int | None:
    if any(name not in sample.lags for name in stages):
        return None
    return sum(lag for name in stages for tenant, lag in sample.lags[name].items() if may(tenant))


def _any(samples: Sequence[Sample]) -> set[str]:
    return {name for sample in samples for name in sample.lags}


def _known(stage: Mapping[str, Any]) -> bool:
    return stage.get("lag") is not None


def _behind(stage: Mapping[str, Any]) -> dict[str, int]:
    behind = sorted(((one["lag"], name) for name, one in stage["tenants"].items() if one["lag"]), reverse=True)
    return {name: lag for lag, name in behind[:MOST_TENANTS]}
