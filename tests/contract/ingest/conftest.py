"""The edge on a real socket, with fakes behind it, and a client that sends exactly the bytes it is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.runtime.keys.rings import KeyRing, new_ring_key
from ingest.app import Edge, PublicServer, public_app
from ingest.bearer import BearerTokens
from ingest.connections import BodyRoom
from ingest.fakes import FakeFeedback, FakeKeySource, FakePublisher, FakeTenants, FakeToken, FakeTokens
from ingest.feedback_api import FeedbackApi
from ingest.feedback_links import FeedbackLinks
from ingest.feedback_queue import FeedbackQueue
from ingest.keys_route import KeysRoute
from ingest.ports import TenantAccess
from ingest.refusals import Refusals
from ingest.source_address import SourceAddresses
from ingest.verifier import signature
from ingest.webhooks import WebhookEdge

KEY = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
TENANT = "msp-acme-corp"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """The edge that a test talks to."""

    tenants: FakeTenants = field(default_factory=FakeTenants)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    tokens: FakeTokens = field(default_factory=FakeTokens)
    feedback: FakeFeedback = field(default_factory=FakeFeedback)
    keys: FakeKeySource = field(default_factory=FakeKeySource)
    link_ring: KeyRing = field(
        default_factory=lambda: KeyRing.parse(new_ring_key("l"), variable="TICKETSTREAM_LINK_KEYS")
    )
    room: BodyRoom = field(default_factory=BodyRoom)
    ahead: float = 0.0
    """Seconds that the tokens' clock is ahead; the sources of tests are what X-Forwarded-For says."""
    refusals: Refusals = field(default_factory=Refusals)
    port: int = 0

    def edge(self) -> Edge:
        queue = FeedbackQueue(self.tenants, self.publisher)
        return Edge(
            WebhookEdge(self.tenants, self.publisher, bodies=self.room, refusals=self.refusals),
            FeedbackApi(self.bearer(), queue, self.feedback),
            FeedbackLinks(self.link_ring, queue),
            KeysRoute(self.keys),
        )

    def bearer(self) -> BearerTokens:
        addresses = SourceAddresses.parse(["127.0.0.1"])
        return BearerTokens(self.tokens, addresses=addresses, monotonic=lambda: time.monotonic() + self.ahead)

    async def raw(self, data: bytes, *, more: bytes = b"", timeout: float = 20) -> Answer:
        """Sends the bytes on a connection of their own and reads one answer."""
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(data)
                pouring = asyncio.create_task(_pour(writer, more)) if more else None
                answer = await read_answer(reader)
                if pouring:
                    pouring.cancel()
                return answer
            finally:
                writer.close()

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str | bytes]] = ()
    ) -> Answer:
        return await self.raw(message(method, path, body, headers))

    async def webhook(
        self,
        body: bytes = b'{"ticket_id":"1","subject":"s"}',
        *,
        tenant: str = TENANT,
        key: bytes = KEY,
        webhook_id: str = "msg_1",
        off: int = 0,
        drop: Sequence[str] = (),
        replace: dict[str, str] | None = None,
        add: Sequence[tuple[str, str | bytes]] = (),
    ) -> Answer:
        """A signed webhook, spoilt as told."""
        headers = {**signed(body, key=key, webhook_id=webhook_id, off=off), **(replace or {})}
        kept = [(name, value) for name, value in headers.items() if name not in drop]
        return await self.request("POST", f"/api/v1/webhooks/{tenant}", body, [*kept, *add])


def signed(body: bytes, *, key: bytes = KEY, webhook_id: str = "msg_1", off: int = 0) -> dict[str, str]:
    at = str(int(time.time()) + off)
    value = signature(key, webhook_id.encode(), at.encode(), body).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": at,
        "webhook-signature": value,
    }


def message(
    method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str | bytes]] = (), *, length: bool = True
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: edge"]
    lines += [name.encode() + b": " + (v if isinstance(v, bytes) else v.encode()) for name, v in headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(first.split()[1]), headers, body, head + body)


async def _pour(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Sends the same bytes for ever, until the other side has had enough."""
    try:
        while True:
            writer.write(data)
            await writer.drain()
    except (ConnectionError, RuntimeError):
        return


@pytest.fixture
async def edge() -> AsyncIterator[Running]:
    running = Running()
    running.tenants.add(TenantAccess(TENANT, 7, True, 1000.0, 1000, (KEY,)))
    running.tokens.tokens["tst_writer_and_reader"] = FakeToken(
        "1", TENANT, frozenset({"feedback:write", "feedback:read"})
    )
    running.tokens.tokens["tst_reader_only"] = FakeToken("2", TENANT, frozenset({"feedback:read"}))
    server = PublicServer(public_app(running.edge()))
    await server.start("127.0.0.1", 0)
    running.port = server.port
    yield running
    running.publisher.gate.set()
    await server.stop()


@pytest.fixture
def http() -> Any:
    """What tests need to build requests by hand."""
    return type(
        "Http", (), {"message": staticmethod(message), "signed": staticmethod(signed), "tenant": TENANT, "key": KEY}
    )


@pytest.fixture
def impatient(edge: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The same edge with bodies that must come within 0.3 s."""
    monkeypatch.setattr("ingest.request_body.READ_SECONDS", 0.3)
    return edge
