"""The metrics as text for Prometheus, made beside the event loop without keeping it from working.

A thread alone isn't enough: it holds the interpreter's lock for 5 ms at a time, and each of the loop's own system calls has to wait
that long for its turn. So the text is made in slices of about 2 ms with a short sleep after each, in which the loop goes on. With
5,000 series that is a twentieth of a second of sleeping.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import Metric

__all__ = ["CONTENT_TYPE_LATEST", "rendered"]

SLICE_SAMPLES = 100
PAUSE_SECONDS = 0.0005

disable_created_metrics()  # type: ignore[no-untyped-call]  # a further series for every counter and histogram, which nobody asks for


def _pause() -> None:
    time.sleep(PAUSE_SECONDS)


def rendered(registry: CollectorRegistry = REGISTRY, pause: Callable[[], None] = _pause) -> bytes:
    """What `generate_latest` gives, with a `pause` after each slice. To be called in a thread."""
    parts: list[bytes] = []
    for family in registry.collect():
        for number, part in enumerate(_slices(family)):
            text = generate_latest(_Only(part))
            parts.append(text.split(b"\n", 2)[2] if number else text)  # help and type stand before the first slice only
            pause()
    return b"".join(parts)


class _Only(CollectorRegistry):
    """One family as a registry."""

    def __init__(self, family: Metric) -> None:
        super().__init__()
        self._family = family

    def collect(self) -> Iterator[Metric]:
        yield self._family


def _slices(family: Metric) -> Iterator[Metric]:
    samples = family.samples
    for start in range(0, max(1, len(samples)), SLICE_SAMPLES):
        part = copy.copy(family)
        part.samples = samples[start : start + SLICE_SAMPLES]
        yield part
