"""Stands for a collector: takes spans by OTLP over HTTP, and keeps them."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """As it arrived. Ids in hex; `kind` and `status` as OTLP numbers them."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    started: int
    ended: int
    attributes: Mapping[str, Any]
    status: int
    links: tuple[str, ...]


@dataclass(slots=True)
class OtlpSink:
    """`async with` starts it; `answer` is the status that it gives. `received` is every body as it came."""

    answer: int = 200
    port: int = 0
    received: list[bytes] = field(default_factory=list)
    resources: list[Mapping[str, Any]] = field(default_factory=list)
    spans: list[SeenSpan] = field(default_factory=list)
    _runner: web.AppRunner | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> OtlpSink:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Again on the same port, once it had one."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.add_routes([web.post("/v1/traces", self._take)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    def about(self, tenant_id: str, ticket_id: str) -> list[SeenSpan]:
        """What an operator finds by tenant and ticket, in the order of beginning."""
        whose = {"tenant_id": tenant_id, "ticket_id": ticket_id}
        found = [span for span in self.spans if whose.items() <= span.attributes.items()]
        return sorted(found, key=lambda span: span.started)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.append(body)
        if self.answer != 200:
            return web.Response(status=self.answer)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _plain(group.resource.attributes)
            self.resources.append(resource)
            for span in (span for scope in group.scope_spans for span in scope.spans):
                self.spans.append(_seen(str(resource["service.name"]), span))
        return web.Response(body=b"", content_type="application/x-protobuf")


def _seen(service: str, span: Any) -> SeenSpan:
    return SeenSpan(
        service=service,
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        started=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        status=span.status.code,
        links=tuple(link.trace_id.hex() for link in span.links),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
