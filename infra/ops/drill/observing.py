"""What really happens: who waits, by the lag service, and which alerts arrive where a person would be called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from infra.ops.drill.facts import Kind, Timeline
from infra.ops.drill.ground import Ground
from infra.ops.drill.plan import NORMAL
from infra.ops.health.checks.waiting import by_tenant

LOOK_SECONDS = 2.0
MOST_SAMPLES = 10_000
QUIET = frozenset({"info"})
"""Severities that call nobody."""
ALERT_LOG = Path("logs") / "alerts.log"


@dataclass(frozen=True, slots=True)
class Sample:
    """`waiting` tickets by tenant; those of `held` wait for their own desk, or because somebody disabled the tenant."""

    at: datetime
    waiting: Mapping[str, int]
    held: frozenset[str]
    oldest_seconds: float

    @property
    def most(self) -> int:
        """Of one tenant that nothing of its own holds up: what HighQueueDepth looks at."""
        return max((count for name, count in self.waiting.items() if name not in self.held), default=0)

    @property
    def low(self) -> bool:
        """Nobody has more waiting than is normal, held or not."""
        return all(count < NORMAL for count in self.waiting.values())

    @property
    def drained(self) -> bool:
        return self.low and not self.held


@dataclass(frozen=True, slots=True)
class Page:
    """An alert as it arrived."""

    at: datetime
    name: str
    firing: bool
    severity: str
    summary: str
    runbook: str
    labels: Mapping[str, str]

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.name, self.severity, *sorted(self.labels.items()))

    def adds_nothing_to(self, firing: Page) -> bool:
        """Alertmanager repeats a group when another alert joins it; and what rings already isn't told again at a lower severity."""
        same = self.name == firing.name and self.labels == firing.labels
        return same and firing.severity in (self.severity, "critical")

    def words(self) -> str:
        return f"{self.name} ({self.severity}): {self.summary}" + ("" if self.firing else ": resolved")


@dataclass(slots=True)
class Observer:
    """`on_page` is told of each alert that calls somebody, once when it fires and once when it is resolved."""

    ground: Ground
    timeline: Timeline
    on_page: Callable[[Page], None] = lambda _: None
    samples: list[Sample] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    _read: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._sample()
            self._pages()
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def last(self) -> Sample | None:
        return self.samples[-1] if self.samples else None

    @property
    def peak(self) -> int:
        """The most tickets of one tenant that waited at once."""
        return max((sample.most for sample in self.samples), default=0)

    def firing(self) -> list[Page]:
        """What calls somebody and isn't resolved."""
        state: dict[tuple[Any, ...], Page] = {page.key: page for page in self.pages}
        return [page for page in state.values() if page.firing]

    async def _sample(self) -> None:
        """A view that isn't known now is left out."""
        url = self.ground.stack.endpoints.lag
        timeout = aiohttp.ClientTimeout(total=LOOK_SECONDS)
        try:
            async with self.ground.place.session.get(f"{url}/lag", timeout=timeout) as answer:
                waits = by_tenant((await answer.json())["stages"])
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError):
            return
        if len(self.samples) < MOST_SAMPLES:
            held = frozenset(name for name, one in waits.items() if one.held_by_its_desk)
            oldest = max((one.oldest_seconds for one in waits.values()), default=0.0)
            counts = {name: one.tickets for name, one in waits.items()}
            self.samples.append(Sample(self.timeline.clock(), counts, held, oldest))

    def _pages(self) -> None:
        for line in self._new_lines():
            told = orjson.loads(line)
            if told.get("alert") and told.get("severity") not in QUIET:
                self._page(told)

    def _page(self, told: Mapping[str, Any]) -> None:
        page = Page(
            self.timeline.clock(),
            told["alert"],
            told["status"] == "firing",
            told["severity"],
            told["summary"],
            told["runbook"],
            told["labels"],
        )
        if page.firing and any(page.adds_nothing_to(one) for one in self.firing()):
            return
        self.pages.append(page)
        self.timeline.add(Kind.ALERT, page.words(), page.at)
        self.on_page(page)

    def _new_lines(self) -> Sequence[bytes]:
        """Whole lines of JSON that were written since the last look."""
        try:
            content = (self.ground.folder / ALERT_LOG).read_bytes()
        except FileNotFoundError:
            return ()
        end = content.rfind(b"\n") + 1
        lines, self._read = content[self._read : end].splitlines(), end
        return [line for line in lines if line.startswith(b"{")]
