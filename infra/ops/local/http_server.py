"""What the local stand-in servers share: serving in-process or as a program, misbehaving on the wire, a JSON control client."""

import asyncio
import json
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

LARGEST_BODY = 4 * 1024 * 1024
LONGEST_HANG = 600.0

Model = TypeVar("Model", bound=BaseModel)


class LocalHttpServer:
    """An HTTP server on one address, for use as `async with`.

    `port=0` takes a free port; `url` is known once it is started. Stopping ends every hanging call within a second.
    """

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self._asked = (host, port)
        self._runner: web.AppRunner | None = None
        self._stopping = asyncio.Event()
        self.url = ""

    def application(self) -> web.Application:
        """The routes; a server overrides this."""
        raise NotImplementedError

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._stopping.clear()
        # A desk goes on with what it was told although the caller hung up, so a disconnect cancels nothing.
        runner = web.AppRunner(
            self.application(), access_log=None, handler_cancellation=False, shutdown_timeout=1.0, keepalive_timeout=75
        )
        await runner.setup()
        host, port = self._asked
        try:
            await web.TCPSite(runner, host, port, backlog=1024).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self._asked = (host, runner.addresses[0][1])  # started again, it is found where it was
        self.url = f"http://{host}:{self._asked[1]}"

    async def stop(self) -> None:
        """Stop listening and end what is under way. Safe to call twice."""
        self._stopping.set()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def pause(self, seconds: float) -> None:
        """Wait, or return early when the server stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def hang(self, request: web.Request, seconds: float = LONGEST_HANG) -> web.StreamResponse:
        """Answer nothing until the caller hangs up, the time is over or the server stops; then reset the connection."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not self._stopping.is_set() and loop.time() < end and not _hung_up(request):
            await self.pause(min(0.2, max(0.0, end - loop.time())))
        return reset(request)


def _hung_up(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def reset(request: web.Request) -> web.StreamResponse:
    """Break the connection with a TCP reset. What is returned is never sent."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            # Linger of zero seconds: the kernel sends RST instead of FIN.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


async def read_model(request: web.Request, model: type[Model]) -> Model:
    """The JSON body as a value object. Raises 422 with the fields' paths when it doesn't fit."""
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        raise web.HTTPUnprocessableEntity(
            text=error.json(include_url=False, include_context=False), content_type="application/json"
        ) from None


async def serve_until_stopped(server: LocalHttpServer) -> None:
    """Serve as a program: one JSON line `{"url": ...}` on stdout when ready, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    async with server:
        print(json.dumps({"url": server.url}), flush=True)
        await stop.wait()


def run(server_class: type[LocalHttpServer], **arguments: Any) -> int:
    """`serve_until_stopped` as the body of a `__main__`; returns the exit code."""

    async def main() -> None:
        await serve_until_stopped(server_class(**arguments))

    try:
        asyncio.run(main())
    except OSError as error:
        print(f"cannot serve: {error}. Is the port taken? Use --port 0 for a free one.", file=sys.stderr)
        return 1
    return 0


class ControlError(Exception):
    """A stand-in server refused a control call; the message has its answer."""


class ControlClient:
    """Calls a stand-in server's control routes. The session belongs to the caller."""

    def __init__(self, url: str, session: aiohttp.ClientSession, prefix: str) -> None:
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._session = session
        self._prefix = prefix

    async def call(self, method: str, path: str, body: object = None, **query: str | int | float | None) -> Any:
        """One control call, its JSON answer. Raises ControlError for any status but 2xx."""
        params = {name: str(value) for name, value in query.items() if value is not None}
        data = None if body is None else orjson.dumps(body)
        timeout = aiohttp.ClientTimeout(total=30)
        address = f"{self.url}/{self._prefix}{path}"
        async with self._session.request(method, address, data=data, params=params, timeout=timeout) as answer:
            content = await answer.read()
            if not answer.ok:
                raise ControlError(f"{method} {address}: {answer.status} {content[:2000].decode('utf-8', 'replace')}")
            return orjson.loads(content)
