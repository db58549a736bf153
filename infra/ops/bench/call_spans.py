"""What the model server saw of the calls: when each began and ended, and for which tenant; and what follows from that."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from infra.ops.local.model_server.ledger import Ledger, ModelCall

TENANT = re.compile(r"bench-[a-z0-9]+")
"""A tenant of a bench is known by its name, which stands in the subject of each of its tickets."""


@dataclass(slots=True)
class Span:
    """`end` is infinite while the call is under way. Seconds of one clock."""

    tenant: str
    start: float
    end: float = float("inf")


class CallTimes(Ledger):
    """A model server's ledger that keeps the times of all calls and no bodies."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._open: dict[int, Span] = {}
        self.spans: list[Span] = []

    def started(self, call: ModelCall) -> ModelCall:
        found = TENANT.search(orjson.dumps(call.body).decode())
        span = self._open[id(call)] = Span(found[0] if found else "", self._clock())
        self.spans.append(span)
        call.body, call.size = {}, 0
        return super().started(call)

    def ended(self, call: ModelCall, status: int, at: float) -> None:
        self._open.pop(id(call)).end = self._clock()
        super().ended(call, status, at)


def busy_share(spans: Sequence[Span], slots: int, until: float | None = None) -> float:
    """How much of the slots was in use from the first call's start to the last one's end, or to `until`: 0 to 1."""
    start, end = min(span.start for span in spans), until or max(span.end for span in spans)
    used = sum(max(0.0, min(span.end, end) - span.start) for span in spans)
    return used / (slots * (end - start))


def work_lasted_until(spans: Sequence[Span], slots: int, cap: int) -> float:
    """When for the first time less could be running than there are slots: too few calls left of tenants under their cap."""
    left = Counter(span.tenant for span in spans)
    for span in sorted(spans, key=lambda span: span.end):
        left[span.tenant] -= 1
        if sum(min(cap, count) for count in left.values()) < slots:
            return span.end
    return max(span.end for span in spans)


def most_at_once(spans: Iterable[Span]) -> Mapping[str, int]:
    """By tenant, the most calls that were under way at one moment; a call that ends as another starts makes room for it."""
    running, most = Counter[str](), Counter[str]()
    moments = [(moment, change, span.tenant) for span in spans for moment, change in ((span.end, -1), (span.start, 1))]
    for _, change, tenant in sorted(moments):
        running[tenant] += change
        most[tenant] = max(most[tenant], running[tenant])
    return most
