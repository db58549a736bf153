"""What traces say of a call to a desk, by OpenTelemetry's semantic conventions for HTTP: never its query, form or headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

from infra.runtime.telemetry import tracing
from infra.runtime.telemetry.tracing import Kind, Span

_ID_OF = re.compile(r"/(requests|notes)/[^/]+")


def call_span(method: str, url: str, path: str) -> Span:
    """`url` is the whole without a query: what is asked for and written stands there or in the form. It ends with `path`, which is
    what the desk's API adds to its address."""
    if not tracing.on():
        return tracing.NOTHING
    desk = _desk(url.removesuffix(path))
    template = _ID_OF.sub(r"/\1/{id}", path)
    return tracing.span(
        f"{method} {template}",
        Kind.CLIENT,
        {
            "http.request.method": method,
            "url.full": f"{desk.url}{path}",
            "url.template": template,
            "server.address": desk.host,
            "server.port": desk.port,
        },
    )


@dataclass(frozen=True, slots=True)
class _Desk:
    """A desk's address, without whom it may name as user."""

    url: str
    host: str
    port: int


@lru_cache(1024)
def _desk(url: str) -> _Desk:
    address = URL(url, encoded=True)
    full = str(address.with_user(None))
    return _Desk(full if url.endswith("/") else full.removesuffix("/"), address.host or "", address.port or 0)


def answered(span: Span, status: int) -> None:
    span.set("http.response.status_code", status)
    if status >= 400:
        span.fail(str(status))
