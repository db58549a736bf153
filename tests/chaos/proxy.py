"""A TCP proxy that can cut, hold and swallow: the network between two processes."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from infra.ops.local.free_ports import LOOPBACK

Factory = Callable[[], asyncio.Protocol]
Connect = Callable[[Factory], Awaitable[tuple[asyncio.BaseTransport, asyncio.BaseProtocol]]]


def to_port(port: int) -> Connect:
    """A server on this machine."""
    return lambda factory: asyncio.get_running_loop().create_connection(factory, LOOPBACK, port)


def to_socket(path: Path) -> Connect:
    """A server on a Unix socket."""
    return lambda factory: asyncio.get_running_loop().create_unix_connection(factory, str(path))


class TcpProxy:
    """Listens on a free port of the loopback address and passes on what comes, both ways."""

    def __init__(self) -> None:
        self._connect: Connect | None = None
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()
        self._answers_to_lose = 0
        self.port = 0
        self.held = False

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Clients are turned away until there is somewhere to lead them: see `lead`."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _Client(self), LOOPBACK, 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    def lead(self, connect: Connect) -> None:
        """Where new connections go from now on."""
        self._connect = connect

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> int:
        """Resets every connection; how many there were."""
        clients = list(self._clients)
        for client in clients:
            client.break_off()
        return len(clients)

    def hold(self) -> None:
        """Passes nothing on, neither way, until `release`: what is sent meanwhile waits, nobody hears of an end."""
        self.held = True
        for client in self._clients:
            client.hold()

    def release(self) -> None:
        self.held = False
        for client in list(self._clients):
            client.release()

    def lose_answers(self, count: int) -> None:
        """The next `count` answers don't arrive: what was asked reaches the server, and then the connection breaks."""
        self._answers_to_lose += count

    @property
    def answers_to_lose(self) -> int:
        return self._answers_to_lose

    def opened(self, client: _Client) -> None:
        self._clients.add(client)

    def closed(self, client: _Client) -> None:
        self._clients.discard(client)

    def loses_this(self) -> bool:
        if not self._answers_to_lose:
            return False
        self._answers_to_lose -= 1
        return True

    async def connect(self, factory: Factory) -> asyncio.Transport:
        if self._connect is None:
            raise ConnectionRefusedError
        transport, _ = await self._connect(factory)
        assert isinstance(transport, asyncio.Transport)
        return transport


class _Pipe(asyncio.Protocol):
    """One end of a connection; what it reads goes to its peer."""

    transport: asyncio.Transport | None = None
    peer: _Pipe | None = None
    full = False

    def pause_writing(self) -> None:
        self.full = True
        if self.peer is not None:
            self.peer.settle()

    def resume_writing(self) -> None:
        self.full = False
        if self.peer is not None:
            self.peer.settle()

    def settle(self) -> None:
        """Reads on, or not, as the proxy and the peer allow."""
        raise NotImplementedError

    def set_reading(self, wanted: bool) -> None:
        transport = self.transport
        if transport is None or transport.is_closing() or transport.is_reading() == wanted:
            return
        (transport.resume_reading if wanted else transport.pause_reading)()


class _Client(_Pipe):
    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy
        self._early = bytearray()
        self._connecting: asyncio.Task[None] | None = None
        self.server: _Server | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._proxy.opened(self)
        if self._proxy.held:
            self.hold()
        else:
            self.release()

    def data_received(self, data: bytes) -> None:
        if self.server is None or self.server.transport is None:
            self._early += data
        else:
            self.server.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._proxy.closed(self)
        if self.server is not None and self.server.transport is not None:
            self.server.transport.close()

    def settle(self) -> None:
        self.set_reading(not self._proxy.held and not (self.server and self.server.full))

    def hold(self) -> None:
        self.set_reading(False)
        if self.server is not None:
            self.server.set_reading(False)

    def release(self) -> None:
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._reach())
        self.settle()
        if self.server is not None:
            self.server.settle()

    def break_off(self) -> None:
        _reset(self.transport)
        if self.server is not None:
            _reset(self.server.transport)

    async def _reach(self) -> None:
        server = _Server(self, self._proxy)
        try:
            transport = await self._proxy.connect(lambda: server)
        except OSError:
            _reset(self.transport)
            return
        self.server, self.peer = server, server
        if self.transport is None or self.transport.is_closing():
            transport.close()
            return
        transport.write(bytes(self._early))
        self._early.clear()
        server.settle()


class _Server(_Pipe):
    def __init__(self, client: _Client, proxy: TcpProxy) -> None:
        self.client, self.peer, self._proxy = client, client, proxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._proxy.loses_this():
            self.client.break_off()
        elif self.client.transport is not None:
            self.client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client.transport is not None:
            self.client.transport.close()

    def settle(self) -> None:
        self.set_reading(not self._proxy.held and not self.client.full)


def _reset(transport: asyncio.Transport | None) -> None:
    """With a TCP reset where the kernel can."""
    if transport is None or transport.is_closing():
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
