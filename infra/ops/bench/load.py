"""A closed-loop HTTP load: so many connections, each with one request under way, requests made beforehand.

Raw sockets through asyncio protocols, because any HTTP client library costs more CPU a request than the servers measured here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

UNAVAILABLE = 503


@dataclass(slots=True)
class LoadResult:
    """`latencies` in seconds, unordered; `seconds` is the time from the first request to the last answer. `resent`: how many were
    sent once more after a 503."""

    seconds: float = 0.0
    resent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer to the last one is whole."""

    def __init__(self, requests: list[bytes], result: LoadResult, most_resent: int) -> None:
        self._requests, self._result, self._most_resent = requests, result, most_resent
        self._request = b""
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 — TCP only
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        self._result.latencies.append(time.perf_counter() - self._sent)
        status, self._buffer = int(self._buffer[9:12]), b""
        self._result.statuses[status] += 1
        if status == UNAVAILABLE and self._result.resent < self._most_resent:
            self._result.resent += 1
            self._requests.insert(0, self._request)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        if not self._requests:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        self._sent, self._request = time.perf_counter(), self._requests.pop()
        self._transport.write(self._request)


async def run_load(
    host: str, port: int, requests: Sequence[bytes], connections: int, *, most_resent: int = 0
) -> LoadResult:
    """Sends every request once, and behind all others again what was answered 503, `most_resent` times in all. Raises
    ConnectionError when the server closes a connection."""
    waiting, result, loop = list(reversed(requests)), LoadResult(), asyncio.get_running_loop()
    started = time.perf_counter()
    opened = await asyncio.gather(
        *(
            loop.create_connection(lambda: _Connection(waiting, result, most_resent), host, port)
            for _ in range(connections)
        )
    )
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    result.seconds = time.perf_counter() - started
    return result


def http_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
