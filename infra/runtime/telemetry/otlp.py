"""Spans on their way to a collector: OTLP over HTTP, by OpenTelemetry's SDK. Imported only where an endpoint is set.

The SDK's own settings hold: OTEL_TRACES_SAMPLER and _ARG (always, and as the parent, by default), OTEL_EXPORTER_OTLP_HEADERS,
_CERTIFICATE, _COMPRESSION, _TIMEOUT, OTEL_BSP_*, OTEL_RESOURCE_ATTRIBUTES. A collector that is away costs its spans, at most a
warning a minute, and nothing else: what waits is bounded, and a thread of its own sends it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Thread
from uuid import uuid4

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, SpanFlags, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from infra.runtime.telemetry.logs import get_logger
from infra.runtime.telemetry.process_metrics import release
from infra.runtime.telemetry.tracing import Kind, RecordedSpan, Value

log = get_logger(__name__)

MOST_WAITING = 8192
"""Spans. The SDK's own default of 2,048 is less than a second of a busy stage."""
BETWEEN_WARNINGS = 60.0
MOST_CHARACTERS = 500
"""Of an attribute."""
DISTRIBUTION = "ticketstream"
_SAMPLED = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
_LOCAL = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | TraceFlags.SAMPLED
_REMOTE = _LOCAL | SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = b"\x0a", b"\x12", b"\x12"
"""The fields' tags: ExportTraceServiceRequest 1, ResourceSpans 2, ScopeSpans 2."""
_KINDS = {kind: SpanKind[kind.name] for kind in Kind}


class Otlp:
    """The SDK's resource, sampler, batches and exporter behind our spans. `endpoint` is without the path."""

    def __init__(self, service: str, endpoint: str, *, exporter: SpanExporter | None = None) -> None:
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # `Exporter` says it, less often
        resource = Resource.create(_resource(service))
        self._sampler = TracerProvider(resource=resource, shutdown_on_exit=False).sampler
        # Set by the environment: what continues a trace does as that does, whatever becomes of those that begin.
        self._as_the_parent = isinstance(self._sampler, ParentBased)
        waiting = None if "OTEL_BSP_MAX_QUEUE_SIZE" in os.environ else MOST_WAITING
        self._batches = BatchSpanProcessor(exporter or Exporter(resource, endpoint), max_queue_size=waiting)

    def sampled(self, name: str, kind: Kind, traceparent: str, *, root: bool) -> bool:
        if not root and self._as_the_parent:
            return bool(int(traceparent[53:], 16) & TraceFlags.SAMPLED)
        trace_id = int(traceparent[3:35], 16)
        result = self._sampler.should_sample(
            Context() if root else _continuing(traceparent), trace_id, name, _KINDS[kind]
        )
        return result.decision is Decision.RECORD_AND_SAMPLE

    def ended(self, span: RecordedSpan) -> None:
        self._batches.on_end(_Ended(span))

    def close(self, seconds: float) -> None:
        """The SDK would wait for half a minute for a collector that is away."""
        closing = Thread(target=self._batches.shutdown, name="last traces", daemon=True)
        closing.start()
        closing.join(seconds)


class Exporter(OTLPSpanExporter):
    """Encodes our spans, in a tenth of the time that the SDK's own encoder takes; all else of it is the SDK's."""

    def __init__(self, resource: Resource, endpoint: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        of_traces = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        super().__init__(of_traces or f"{endpoint.rstrip('/')}/v1/traces")
        attributes = [_pair(name, _plain(value)) for name, value in resource.attributes.items()]
        self._resource = ResourceSpans(resource=ResourceMessage(attributes=attributes)).SerializeToString()
        self._scope = ScopeSpans(scope=InstrumentationScope(name=DISTRIBUTION, version=release())).SerializeToString()
        self._clock = clock
        self._lost, self._warned_at = 0, float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        encoded = [_encoded(span.span) for span in spans if isinstance(span, _Ended)]
        scope = b"".join([self._scope, *[_part(_SPANS, one) for one in encoded]])
        group = _part(_RESOURCE_SPANS, self._resource + _part(_SCOPE_SPANS, scope))
        sent = self._client.export(group)
        if sent.success:
            return SpanExportResult.SUCCESS
        self._tell(len(encoded), f"status {sent.status_code}" if sent.status_code else type(sent.error).__name__)
        return SpanExportResult.FAILURE

    def _tell(self, lost: int, error: str) -> None:
        self._lost += lost
        now = self._clock()
        if now - self._warned_at < BETWEEN_WARNINGS:
            return
        log.warning(
            "Traces are lost: the collector at OTEL_EXPORTER_OTLP_ENDPOINT doesn't take them",
            spans=self._lost,
            error=error,
        )
        self._lost, self._warned_at = 0, now


class _Ended(ReadableSpan):
    """What the SDK's batches queue: they look at nothing but the context."""

    def __init__(self, span: RecordedSpan) -> None:
        self._context = _SAMPLED
        self.span = span


def _resource(service: str) -> dict[str, str]:
    """By the semantic conventions for a service."""
    return {
        "service.name": service,
        "service.namespace": DISTRIBUTION,
        "service.version": release(),
        "service.instance.id": str(uuid4()),
    }


def _continuing(traceparent: str) -> Context:
    flags = TraceFlags(int(traceparent[53:], 16))
    context = SpanContext(int(traceparent[3:35], 16), int(traceparent[36:52], 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context), Context())


def _encoded(span: RecordedSpan) -> bytes:
    """An OTLP span. Messages that are encoded one by one and stand one after the other are one message: what spans say again and
    again is encoded once, and only ids and times each time. Source: protobuf.dev, Encoding, "Last One Wins"."""
    ids = SpanMessage(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        start_time_unix_nano=span.started,
        end_time_unix_nano=span.ended,
    )
    pairs = [_pair_of_span(name, value) for name, value in span.attributes.items()]
    encoded = b"".join([ids.SerializeToString(), _kind_of_span(span.name, span.kind, span.remote, span.error), *pairs])
    return encoded + _links_of_span(span.links) if span.links else encoded


@lru_cache(1024)
def _kind_of_span(name: str, kind: Kind, remote: bool, error: str) -> bytes:
    message = SpanMessage(
        name=name, kind=SpanMessage.SpanKind.ValueType(kind.value), flags=_REMOTE if remote else _LOCAL
    )
    if error:
        message.attributes.append(_pair("error.type", error))
        message.status.code = Status.STATUS_CODE_ERROR
    return bytes(message.SerializeToString())


def _links_of_span(links: Sequence[str]) -> bytes:
    message = SpanMessage()
    for link in links:
        message.links.add(trace_id=bytes.fromhex(link[3:35]), span_id=bytes.fromhex(link[36:52]))
    return bytes(message.SerializeToString())


@lru_cache(4096, typed=True)
def _pair_of_span(name: str, value: Value) -> bytes:
    return bytes(SpanMessage(attributes=[_pair(name, value)]).SerializeToString())


def _pair(name: str, value: Value) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    text = (
        value[:MOST_CHARACTERS].encode("utf-8", "replace").decode()
    )  # one that can't be encoded would cost the whole batch
    return KeyValue(key=name, value=AnyValue(string_value=text))


def _part(field: bytes, message: bytes) -> bytes:
    """A message as a field of a larger one. Source: protobuf.dev, Encoding, "Length-Delimited Records"."""
    length, digits = len(message), bytearray()
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return b"".join([field, digits, message])


def _plain(value: object) -> Value:
    return value if isinstance(value, str | int | float) else str(value)
