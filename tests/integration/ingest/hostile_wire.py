"""Requests as bytes on the wire, each on a connection of its own, and what came back."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass

PATIENCE = 10.0
SILENT = 0.05
_ANSWERS = re.compile(rb"(?:^|(?<=[\r\n}>]))HTTP/[0-9]\.[0-9] (\d{3}) ")


@dataclass(frozen=True, slots=True)
class Sent:
    """`whole`: it ends as HTTP says, so that an answer must come without the sender's hanging up."""

    wire: bytes
    whole: bool = True


def request(
    method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], body: bytes = b"", *, length: bool = True
) -> Sent:
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: edge", b"Connection: close"]
    lines += [name + b": " + value for name, value in headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return Sent(b"\r\n".join(lines) + b"\r\n\r\n" + body)


@dataclass(frozen=True, slots=True)
class Came:
    """All that came back until the edge closed the connection."""

    wire: bytes

    @property
    def statuses(self) -> list[int]:
        return [int(found) for found in _ANSWERS.findall(self.wire)]

    @property
    def head(self) -> bytes:
        return self.wire.partition(b"\r\n\r\n")[0].lower()

    @property
    def body(self) -> bytes:
        return self.wire.partition(b"\r\n\r\n")[2]


def send(port: int, sent: Sent) -> Came:
    """On a connection of its own. What isn't whole is ended by hanging up, once the edge has had time to refuse it."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent.wire)
            if not sent.whole:
                connection.settimeout(SILENT)
                came, ended = _first(connection)
                if ended:
                    return Came(came)
                connection.settimeout(PATIENCE)
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                came += part
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise AssertionError(f"neither answered nor closed within {PATIENCE:.0f} s: {sent!r}") from None
    return Came(came)


def _first(connection: socket.socket) -> tuple[bytes, bool]:
    """What comes at once, and whether that was all."""
    try:
        found = connection.recv(65536)
    except TimeoutError:
        return b"", False
    return found, not found


def answer_is_documented(came: Came, sent: Sent) -> None:
    """Raises AssertionError for an answer that no handbook has."""
    for status in came.statuses:
        assert status < 500 or status == 503, (status, sent)
        assert not 300 <= status < 400, (status, sent)
        assert status != 202, ("published", sent)
    if not came.wire:
        assert not sent.whole, ("no answer", sent)
        return
    assert came.statuses, (came.wire[:200], sent)
    html = b"content-type: text/html" in came.head
    if (
        b"content-type: application/json" in came.head
        and b"content-length: 0" not in came.head
        and len(came.statuses) == 1
    ):
        assert not came.body or json.loads(came.body) is not None, sent
    if html:
        assert b"<script" not in came.body.lower(), sent
    assert b"set-cookie: a=b" not in came.head, sent
