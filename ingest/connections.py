"""How many connections the public port has at once, and how long one may take to send its first request's headers.

aiohttp bounds neither: it ends a connection that idles between two requests, but waits for ever for the first. A bound on
connections is also one on what their bodies can hold in memory, see `BodyRoom`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ingest import edge_metrics
from ingest.answers import unavailable
from ingest.request_body import MAX_BODY_BYTES

MOST_CONNECTIONS = 1000
FIRST_REQUEST_SECONDS = 10.0
REFUSED_SECONDS = 2.0
MOST_BODY_BYTES = 64 * 1024 * 1024
BUSY = b'{"error":"too many connections, try again"}'
BUSY_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BUSY), BUSY)
)


class Connections:
    """The bound, as the factory of protocols that a listening socket takes and as a middleware that hears of requests."""

    def __init__(self, *, most: int = MOST_CONNECTIONS, first_request_seconds: float = FIRST_REQUEST_SECONDS) -> None:
        self._most, self._seconds = most, first_request_seconds
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}

    def factory(self, server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
        loop = asyncio.get_running_loop()

        def accept() -> asyncio.BaseProtocol:
            if len(server.connections) >= self._most:
                edge_metrics.CONNECTIONS_REFUSED.inc()
                return _Busy()
            protocol = server()
            self._silent[protocol] = loop.call_later(self._seconds, self._cut_off, protocol)
            return protocol

        return accept

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def heard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if timer := self._silent.pop(request.protocol, None):
                timer.cancel()
            return await handler(request)

        return heard

    def _cut_off(self, protocol: web.RequestHandler) -> None:
        self._silent.pop(protocol, None)
        if protocol.transport is not None:
            edge_metrics.CONNECTIONS_CUT_OFF.inc()
            protocol.transport.abort()


class _Busy(asyncio.Protocol):
    """Answers 503 to whatever comes; closed without an answer if nothing does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timer = asyncio.get_running_loop().call_later(REFUSED_SECONDS, self._transport.abort)

    def data_received(self, _: bytes) -> None:
        with suppress(OSError):
            self._transport.write(BUSY_ANSWER)
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._timer.cancel()


@dataclass(slots=True)
class BodyRoom:
    """Memory for the bodies of all requests under way, from their reading to their answer."""

    most: int = MOST_BODY_BYTES
    taken: int = 0

    @contextmanager
    def of(self, request: web.Request) -> Iterator[None]:
        """Refuses with 503 what doesn't fit; a body of unknown length counts as the largest allowed, one that is too large as
        nothing, since it is refused unread."""
        length = MAX_BODY_BYTES if request.content_length is None else request.content_length
        size = length if length <= MAX_BODY_BYTES else 0
        if self.taken + size > self.most:
            raise unavailable("too much at once, send it again", "bodies_too_many")
        self.taken += size
        try:
            yield
        finally:
            self.taken -= size
