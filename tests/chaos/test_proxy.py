"""The proxy between two processes: it passes on, cuts, holds, and swallows answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.chaos.proxy import TcpProxy, to_port

LONGEST = 8_000_000
HELLO = b"hello\n"


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    """Before a server that answers each line with the same."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, limit=LONGEST)
    proxy = TcpProxy()
    await proxy.start()
    proxy.lead(to_port(server.sockets[0].getsockname()[1]))
    yield proxy
    await proxy.stop()
    server.close()


@dataclass(slots=True)
class Caller:
    """Holds both ends of its connection, which closes when nobody does."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def of(cls, proxy: TcpProxy) -> Caller:
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port, limit=LONGEST))

    async def ask(self, line: bytes) -> bytes:
        """The answer; empty where the connection ended without one."""
        self.writer.write(line)
        return await self.reader.readline()


async def test_what_is_asked_is_answered_however_long(proxy: TcpProxy) -> None:
    line = b"x" * (LONGEST // 2) + b"\n"

    assert await (await Caller.of(proxy)).ask(line) == line


async def test_a_cut_resets_what_is_open_and_leaves_what_comes(proxy: TcpProxy) -> None:
    before, after = await Caller.of(proxy), await Caller.of(proxy)
    assert await before.ask(HELLO) == await after.ask(HELLO) == HELLO

    assert proxy.cut() == 2
    with pytest.raises(ConnectionResetError):
        await before.ask(HELLO)
    assert await (await Caller.of(proxy)).ask(HELLO) == HELLO


async def test_what_is_sent_while_held_arrives_when_released(proxy: TcpProxy) -> None:
    known = await Caller.of(proxy)
    assert await known.ask(HELLO) == HELLO

    proxy.hold()
    fresh = await Caller.of(proxy)
    waiting = [asyncio.ensure_future(caller.ask(HELLO)) for caller in (known, fresh)]
    done, _ = await asyncio.wait(waiting, timeout=0.2)
    assert not done

    proxy.release()
    assert await asyncio.gather(*waiting) == [HELLO, HELLO]


async def test_a_lost_answer_breaks_the_connection_and_the_next_one_arrives(proxy: TcpProxy) -> None:
    proxy.lose_answers(1)

    with pytest.raises(ConnectionResetError):
        await (await Caller.of(proxy)).ask(HELLO)
    assert await (await Caller.of(proxy)).ask(HELLO) == HELLO and proxy.answers_to_lose == 0
