"""Connections that send nothing, too slowly, or come in too great a number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ingest.app import PublicServer, public_app
from ingest.connections import BodyRoom, Connections
from tests.contract.ingest.conftest import Running, message, read_answer, signed

PATH = "/api/v1/webhooks/msp-acme-corp"


@asynccontextmanager
async def serving(connections: Connections, running: Running | None = None) -> AsyncIterator[Running]:
    running = running or Running()
    server = PublicServer(public_app(running.edge()), connections)
    await server.start("127.0.0.1", 0)
    running.port = server.port
    try:
        yield running
    finally:
        await server.stop()


@pytest.mark.parametrize("first", [b"", b"POST / HTTP/1.1\r\nHost: edge\r\n"], ids=["nothing", "headers without end"])
async def test_a_connection_that_never_asks_is_cut_off(first: bytes) -> None:
    async with serving(Connections(first_request_seconds=0.3)) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(first)
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await _trickle(reader, writer, b"X-Slow: 1\r\n" if first else b"")
        writer.close()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> None:
    """Until the other side has enough of it, which raises."""
    while line:
        writer.write(line)
        await writer.drain()
        await asyncio.sleep(0.05)
    await reader.readexactly(1)


async def test_a_connection_that_asked_in_time_may_go_on() -> None:
    async with serving(Connections(first_request_seconds=0.2)) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        for _ in range(2):
            writer.write(message("GET", "/openapi.json"))
            assert (await read_answer(reader)).status == 200
            await asyncio.sleep(0.3)  # longer than a connection may be silent at first
        writer.close()


async def test_above_the_bound_connections_are_told_to_come_back_and_can_when_others_have_gone() -> None:
    async with serving(Connections(most=3)) as edge:
        held = [await asyncio.open_connection("127.0.0.1", edge.port) for _ in range(3)]
        for reader, writer in held:
            writer.write(message("GET", "/openapi.json"))
            assert (await read_answer(reader)).status == 200
        answer = await edge.request("GET", "/openapi.json")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        held.pop()[1].close()
        async with asyncio.timeout(5):
            while (await edge.request("GET", "/openapi.json")).status != 200:
                await asyncio.sleep(0.02)
        for _, writer in held:
            writer.close()


async def test_bodies_under_way_share_a_bounded_room(edge: Any) -> None:
    room, running = BodyRoom(most=1000), Running()
    running.tenants = edge.tenants
    running.room = room
    async with serving(Connections(), running) as small:
        head = message("POST", PATH, headers=[("Content-Length", "900"), *signed(b"").items()], length=False)
        _, waiting = await asyncio.open_connection("127.0.0.1", small.port)
        waiting.write(head + b"{")
        async with asyncio.timeout(5):
            while not room.taken:
                await asyncio.sleep(0.01)
        body = b'{"ticket_id":"1","subject":"' + b"s" * 200 + b'"}'
        refused = await small.webhook(body)
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        waiting.close()
        async with asyncio.timeout(5):
            while room.taken:
                await asyncio.sleep(0.01)
        assert (await small.webhook(body)).status == 202
