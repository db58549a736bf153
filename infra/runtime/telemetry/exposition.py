"""The metrics as text for Prometheus, made beside the event loop without keeping it from working.

A thread alone isn't enough: it holds the interpreter's lock for 5 ms at a time, and each of the loop's own system calls has to wait
that long for its turn. So the text is made in slices of about a millisecond with a short sleep after each: the loop goes on then.

A series has the same name and labels at every scrape: the library writes them once, and from then on only the value is new. That is
four fifths of its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

__all__ = ["CONTENT_TYPE_LATEST", "rendered"]

SLICE_SAMPLES = 200
PAUSE_SECONDS = 0.0005
MOST_REMEMBERED = 32_768
"""Series; more than a process may have."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a further series for every counter and histogram, which nobody asks for


def _pause() -> None:
    time.sleep(PAUSE_SECONDS)


def rendered(registry: CollectorRegistry = REGISTRY, pause: Callable[[], None] = _pause) -> bytes:
    """What `generate_latest` gives, with a `pause` after each slice. To be called in a thread."""
    lines: list[str] = []
    due = SLICE_SAMPLES
    for family in registry.collect():
        lines.append(_head(family.name, family.documentation, family.type))
        for sample in family.samples:
            series = _series(family.name, family.type, sample.name, tuple(sample.labels.items()))
            lines.append(f"{series}{_number(sample.value)}\n")
            if len(lines) >= due:
                due += SLICE_SAMPLES
                pause()
    return "".join(lines).encode()


def _number(value: float) -> str:
    return floatToGoString(value)  # type: ignore[no-any-return, no-untyped-call]


@lru_cache(MOST_REMEMBERED)
def _head(name: str, documentation: str, kind: str) -> str:
    """Its help and type, as the library writes them."""
    return generate_latest(_Only(Metric(name, documentation, kind))).decode()


@lru_cache(MOST_REMEMBERED)
def _series(family: str, kind: str, name: str, labels: tuple[tuple[str, str], ...]) -> str:
    """What stands before the value, as the library writes it."""
    only = Metric(family, "", kind)
    only.samples = [Sample(name, dict(labels), 0.0)]
    return generate_latest(_Only(only)).decode().rsplit("\n", 2)[1].removesuffix("0.0")


class _Only(CollectorRegistry):
    """One family as a registry."""

    def __init__(self, family: Metric) -> None:
        super().__init__()
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family
