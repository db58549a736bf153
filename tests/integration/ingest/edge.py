"""Edges as they run, `python -m ingest`: started, asked, and read back from Kafka; and a way to take PostgreSQL from them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from confluent_kafka import Consumer, TopicPartition

from infra.ops.cli.webhook_request import key_of
from ingest.verifier import signature
from schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class Sender:
    """A tenant's desk as the edge sees it."""

    tenant_id: str
    secret: str
    partition: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`event_id` where the webhook was taken."""

    status: int
    retry_after: str | None
    event_id: str
    seconds: float


@dataclass(slots=True)
class RunningEdge:
    process: asyncio.subprocess.Process
    public: str
    internal: str
    session: aiohttp.ClientSession

    async def webhook(self, sender: Sender, webhook_id: str, body: bytes = b"") -> Answer:
        """Raises what aiohttp raises when there is no answer."""
        body = body or json.dumps({"ticket_id": webhook_id, "subject": "VPN"}).encode()
        at, started = str(int(time.time())), time.monotonic()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": at,
            "webhook-signature": signature(key_of(sender.secret), webhook_id.encode(), at.encode(), body).decode(),
        }
        url = f"{self.public}/api/v1/webhooks/{sender.tenant_id}"
        async with self.session.post(url, data=body, headers=headers) as answer:
            said, took = await answer.json(), time.monotonic() - started
            return Answer(answer.status, answer.headers.get("Retry-After"), said.get("event_id", ""), took)

    async def ready(self) -> bool:
        async with self.session.get(f"{self.internal}/readyz") as answer:
            return answer.status == 200

    async def stop(self) -> None:
        await self.session.close()
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def start(environment: dict[str, str], ports: Path, log: Path | None = None) -> RunningEdge:
    """Once it is ready. It writes into `log`, or where the tests do."""
    own = environment | {"TICKETSTREAM_PORTS_FILE": str(ports)}
    with log.open("wb") if log else contextlib.nullcontext() as out:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "ingest", env=own, stdout=out, stderr=out)
    async with asyncio.timeout(30):
        while not ports.exists():
            assert process.returncode is None
            await asyncio.sleep(0.05)
        found = json.loads(ports.read_text())
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        edge = RunningEdge(process, found["public"], found["internal"], session)
        while not await edge.ready():
            await asyncio.sleep(0.1)
    return edge


def on_kafka(servers: str, sender: Sender) -> list[str]:
    """The ids of all events on the tenant's partition, as often as they are there."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test-pressure", "enable.auto.commit": False})
    place = TopicPartition(Topic.TICKETS_RECEIVED.value, sender.partition, 0)
    found: list[str | bytes | None] = []
    try:
        _, end = consumer.get_watermark_offsets(place, timeout=20)
        consumer.assign([place])
        deadline = time.monotonic() + 20
        while len(found) < end and time.monotonic() < deadline:
            for message in consumer.consume(500, timeout=1.0):
                assert not message.error(), message.error()
                found.append(dict(message.headers() or [])["ce_id"])
        assert len(found) == end
    finally:
        consumer.close()
    return [event_id.decode() if isinstance(event_id, bytes) else str(event_id) for event_id in found]


@dataclass(slots=True)
class Passage:
    """The way to a server's Unix socket, which can be closed: then connections end and new ones are refused, as if the server
    had stopped. `here` is the TCP port at this end."""

    socket: Path
    here: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.here)
        self.here = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onward = await asyncio.open_unix_connection(self.socket)
        self._open |= {writer, onward}
        await asyncio.gather(_pump(reader, onward), _pump(there, writer))
        self._open -= {writer, onward}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
