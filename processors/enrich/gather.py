"""Asks every source at once and takes what comes in time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.logs import get_logger
from processors.enrich import metrics
from processors.enrich.ports import ContextSource, Query
from processors.enrich.sources.items import bounded
from schemas.events import ContextItem, MissingSource
from schemas.events.enriched import MAX_CONTEXT_ITEMS

log = get_logger(__name__)

SHARE_OF_TIMEOUT = 1 / 3
"""Of a tenant's enhancement_timeout_seconds: the rest is the model's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one source, for all together, and for a cancelled source to let go of its connection."""

    per_source: float = 3.0
    together: float = 10.0
    letting_go: float = 0.5

    def within(self, enhancement_timeout_seconds: float) -> Limits:
        together = min(self.together, enhancement_timeout_seconds * SHARE_OF_TIMEOUT)
        return Limits(min(self.per_source, together), together, self.letting_go)


@dataclass(frozen=True, slots=True)
class Gathered:
    """`took_ms` has a number per source and `total`; `found` how many items of each source are in `context`."""

    context: tuple[ContextItem, ...]
    missing: tuple[MissingSource, ...]
    took_ms: dict[str, int]

    @property
    def found(self) -> dict[str, int]:
        answered = [
            name for name in self.took_ms if name != "total" and name not in {gone.source for gone in self.missing}
        ]
        return {name: sum(item.source == name for item in self.context) for name in answered}


@dataclass(slots=True)
class _Asked:
    """A question under way."""

    source: str
    task: asyncio.Task[Sequence[ContextItem]]
    ended: float | None = None

    def note_end(self, _: Any) -> None:
        self.ended = asyncio.get_running_loop().time()


async def gather(sources: Sequence[ContextSource], query: Query, limits: Limits) -> Gathered:
    """What the sources know, at most 20 items shared fairly. Never raises for a source; those without an answer are in `missing`.

    Cancelling cancels every source."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    asked = [_ask(source, query) for source in sources]
    try:
        if asked:
            await asyncio.wait([each.task for each in asked], timeout=min(limits.per_source, limits.together))
    finally:
        late = [each.task for each in asked if not each.task.done()]
        for task in late:
            task.cancel()
    cut_off = loop.time()
    if late:
        await asyncio.wait(late, timeout=limits.letting_go)  # one that ignores the cancelling isn't waited for
    answers = [_answer(each, late, limits, query) for each in asked]
    ends = {each.source: (each.ended if each.task not in late else None) or cut_off for each in asked}
    took = {source: _ms(ended, started) for source, ended in ends.items()}
    for source, ended in ends.items():
        metrics.SOURCE_SECONDS.labels(source).observe(max(0.0, ended - started))
    return Gathered(
        context=_shared([items for items in answers if not isinstance(items, MissingSource)]),
        missing=tuple(gone for gone in answers if isinstance(gone, MissingSource)),
        took_ms={**took, "total": _ms(loop.time(), started)},
    )


def _ask(source: ContextSource, query: Query) -> _Asked:
    async def find() -> Sequence[ContextItem]:
        with tracing.span(source.name) as span:  # the span of one that is cut off says CancelledError
            found = await source.find(query)
            span.set("items", len(found))
            return found

    asked = _Asked(source.name, asyncio.create_task(find(), name=f"source {source.name}"))
    asked.task.add_done_callback(asked.note_end)
    asked.task.add_done_callback(_retrieve)
    return asked


def _retrieve(task: asyncio.Task[Any]) -> None:
    """So that asyncio doesn't complain of an exception of a source that was cut off."""
    if not task.cancelled():
        task.exception()


def _answer(
    asked: _Asked, late: Sequence[asyncio.Task[Any]], limits: Limits, query: Query
) -> Sequence[ContextItem] | MissingSource:
    if asked.task in late:
        metrics.SOURCE_FAILURES.labels(asked.source, metrics.TIMEOUT).inc()
        return MissingSource(asked.source, f"no answer within {min(limits.per_source, limits.together):g} s")
    if asked.task.cancelled():
        metrics.SOURCE_FAILURES.labels(asked.source, metrics.CANCELLED).inc()
        return MissingSource(asked.source, "failed: cancelled")
    if error := asked.task.exception():
        metrics.SOURCE_FAILURES.labels(asked.source, metrics.ERROR).inc()
        log.warning(
            "source failed", tenant_id=query.tenant_id, ticket_id=query.ticket.ticket_id, source=asked.source,
            error=repr(error)[:300],
        )  # fmt: skip
        return MissingSource(asked.source, f"failed: {type(error).__name__}")
    return asked.task.result()


def _shared(answers: Sequence[Sequence[ContextItem]]) -> tuple[ContextItem, ...]:
    """The best of each source, then the second best, and so on; what one source leaves free is the others'. Grouped by source."""
    taken = [0] * len(answers)
    for rank in zip_longest(*(range(len(items)) for items in answers)):
        for index, position in enumerate(rank):
            if position is not None and sum(taken) < MAX_CONTEXT_ITEMS:
                taken[index] += 1
    return tuple(bounded(item) for items, count in zip(answers, taken, strict=True) for item in items[:count])


def _ms(ended: float, started: float) -> int:
    return max(0, round((ended - started) * 1000))
