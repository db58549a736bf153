"""Stand-ins for what telemetry sends things to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.tracing import Kind, RecordedSpan


@dataclass(slots=True)
class KeptSpans:
    """Keeps the spans that ended, the first first. `samples` is the sampler's word for what begins here and for what goes on."""

    ended_spans: list[RecordedSpan] = field(default_factory=list)
    samples: bool = True

    def sampled(self, name: str, kind: Kind, traceparent: str, *, root: bool) -> bool:
        return self.samples

    def ended(self, span: RecordedSpan) -> None:
        self.ended_spans.append(span)

    def close(self, seconds: float) -> None: ...

    def named(self, name: str) -> RecordedSpan:
        """The only one of this name."""
        (found,) = [span for span in self.ended_spans if span.name == name]
        return found


@contextmanager
def kept_spans(*, samples: bool = True) -> Iterator[KeptSpans]:
    """While the block lasts this process makes traces, and keeps them."""
    kept = KeptSpans(samples=samples)
    tracing.use(kept)
    try:
        yield kept
    finally:
        tracing.use(None)
