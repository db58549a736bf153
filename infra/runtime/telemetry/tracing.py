"""Traces: what a process did for a ticket, as spans; nothing at all where no exporter is set up.

The spans are light objects of our own: OpenTelemetry's cost several times as much, and a ticket makes two dozen (the handbook's
decision 0011). Everything behind them is its SDK's, see `otlp.py`, and that is imported only where an endpoint is named.

A span holds ids, names, numbers and codes. Never the text of a ticket, never a secret: of an exception its type alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from enum import IntEnum
from types import TracebackType
from typing import Protocol

from infra.runtime.telemetry.trace_context import new_traceparent, valid_traceparent

Value = str | int | float | bool
NO_ATTRIBUTES: Mapping[str, Value] = {}


class Kind(IntEnum):
    """Numbered as in OTLP (opentelemetry/proto/trace/v1/trace.proto, SpanKind)."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Span:
    """One that nobody records: all that it is told is forgotten. To be used as `with span(…) as it:`."""

    __slots__ = ()

    @property
    def traceparent(self) -> str | None:
        """What an event carries that follows from this span."""
        return None

    def about(self, tenant_id: str, ticket_id: str) -> None:
        """Whom it is about; the spans that begin inside say the same."""

    def set(self, name: str, value: Value) -> None:
        """An attribute."""

    def fail(self, error: str) -> None:
        """What went wrong, as one of few words: an exception's type, a reason, a status."""

    def end(self) -> None:
        """For one that isn't used with `with`."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None: ...


class RecordedSpan(Span):
    """One that is exported when it ends. Times are nanoseconds since 1970; ids as W3C Trace Context has them, in lower-case hex."""

    __slots__ = (
        "_token", "attributes", "ended", "error", "kind", "links", "name", "parent_id", "remote", "span_id", "started",
        "subject", "trace_id",
    )  # fmt: skip

    def __init__(self, name: str, kind: Kind, trace_id: str, parent_id: str, attributes: Mapping[str, Value]) -> None:
        self.name, self.kind, self.trace_id, self.parent_id = name, kind, trace_id, parent_id
        self.span_id = f"{random.getrandbits(64) or 1:016x}"
        self.attributes = dict(attributes)
        self.links: tuple[str, ...] = ()
        self.subject = NO_ATTRIBUTES
        self.error = ""
        self.remote = False
        self.started, self.ended = time.time_ns(), 0
        self._token: Token[Span | None] | None = None

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"

    def about(self, tenant_id: str, ticket_id: str) -> None:
        self.subject = {"tenant_id": tenant_id, "ticket_id": ticket_id}
        self.attributes.update(self.subject)

    def set(self, name: str, value: Value) -> None:
        self.attributes[name] = value

    def fail(self, error: str) -> None:
        self.error = error

    def child(self, name: str, kind: Kind, attributes: Mapping[str, Value]) -> RecordedSpan:
        made = RecordedSpan(name, kind, self.trace_id, self.span_id, attributes)
        if self.subject:
            made.subject = self.subject
            made.attributes.update(self.subject)
        return made

    def end(self) -> None:
        self.ended = time.time_ns()
        if _backend is not None:
            _backend.ended(self)

    def __enter__(self) -> RecordedSpan:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        _leave(self._token)
        if kind is not None and not self.error:
            self.error = kind.__name__
        self.end()


class PassedSpan(Span):
    """One that the sampler left out: the trace goes on, unrecorded."""

    __slots__ = ("_token", "_traceparent")

    def __init__(self, traceparent: str) -> None:
        self._traceparent = traceparent
        self._token: Token[Span | None] | None = None

    @property
    def traceparent(self) -> str:
        return self._traceparent

    def __enter__(self) -> PassedSpan:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        _leave(self._token)


class Backend(Protocol):
    """Where spans go. None of it raises or waits, but for `close`."""

    def sampled(self, name: str, kind: Kind, traceparent: str, *, root: bool) -> bool:
        """Whether the trace that `traceparent` continues, or begins with `root`, is recorded here."""

    def ended(self, span: RecordedSpan) -> None: ...
    def close(self, seconds: float) -> None:
        """Sends what is left, within this time."""


NOTHING = Span()
_current: ContextVar[Span | None] = ContextVar("span", default=None)
_backend: Backend | None = None
CLOSE_SECONDS = 2.0


def configure(service: str, endpoint: str | None) -> None:
    """Once at start, after the logs. `endpoint` is OTEL_EXPORTER_OTLP_ENDPOINT; without one there are no traces, and nothing of
    OpenTelemetry is loaded."""
    if endpoint:
        from infra.runtime.telemetry.otlp import Otlp  # takes a fifth of a second and 15 MB

        use(Otlp(service, endpoint))


def use(backend: Backend | None) -> None:
    """Hand ended spans to `backend` from now on; None: to nobody."""
    global _backend
    _backend = backend


def close(seconds: float = CLOSE_SECONDS) -> None:
    """Sends what is left. Waits no longer than told."""
    if _backend is not None:
        _backend.close(seconds)
        use(None)


def on() -> bool:
    """Whether there is anybody to hand spans to: for what would be work only for a span."""
    return _backend is not None


def span(name: str, kind: Kind = Kind.INTERNAL, attributes: Mapping[str, Value] = NO_ATTRIBUTES) -> Span:
    """A part of what this task is doing. One that isn't recorded where the whole isn't, as in work that belongs to no ticket."""
    whole = _current.get()
    return whole.child(name, kind, attributes) if isinstance(whole, RecordedSpan) else NOTHING


def entry(
    name: str,
    kind: Kind,
    attributes: Mapping[str, Value] = NO_ATTRIBUTES,
    *,
    traceparent: str | None = None,
    links: Iterable[str | None] = (),
) -> Span:
    """Where a process takes something up: it goes on with the trace of `traceparent`, unless that is none, or begins one. `links`
    are traceparents of what this repeats."""
    if _backend is None:
        return NOTHING
    given = valid_traceparent(traceparent)
    context = given or new_traceparent()
    if not _backend.sampled(name, kind, context, root=given is None):
        return PassedSpan(context)
    made = RecordedSpan(name, kind, context[3:35], context[36:52] if given else "", attributes)
    made.remote = given is not None
    made.links = tuple(link for link in links if valid_traceparent(link) and link is not None)
    return made


def current() -> Span:
    """What this task is doing."""
    return _current.get() or NOTHING


def traceparent() -> str:
    """For an event that begins here: of this task's trace, or of a fresh one."""
    return current().traceparent or new_traceparent()


def _leave(token: Token[Span | None] | None) -> None:
    if token is not None:
        with suppress(ValueError):  # ended by another task than began it, as by a generator's finalizer
            _current.reset(token)
