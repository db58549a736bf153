"""What traces say of a call to a desk, by OpenTelemetry's semantic conventions for HTTP: never its query, form or headers."""

from __future__ import annotations

import re

from yarl import URL

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.tracing import Kind, Span

_ID_OF = re.compile(r"/(requests|notes)/[^/]+")


def call_span(method: str, url: str, path: str) -> Span:
    """`url` is the whole without a query: what is asked for and written stands there or in the form. `path` is what the desk's API
    adds to its address."""
    if not tracing.on():
        return tracing.NOTHING
    address = URL(url, encoded=True)
    template = _ID_OF.sub(r"/\1/{id}", path)
    return tracing.span(
        f"{method} {template}",
        Kind.CLIENT,
        {
            "http.request.method": method,
            "url.full": str(address.with_user(None)),
            "url.template": template,
            "server.address": address.host or "",
            "server.port": address.port or 0,
        },
    )


def answered(span: Span, status: int) -> None:
    span.set("http.response.status_code", status)
    if status >= 400:
        span.fail(str(status))
