"""One command's process: started, read as it speaks, stopped when it takes too long or nobody listens any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any, Final

from infra.ops.console.commands.child import Call, run_call
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

TIDY_SECONDS = 8.0
"""Between SIGTERM and SIGKILL."""
READ_BYTES = 32 * 1024
STDOUT: Final = "stdout"
STDERR: Final = "stderr"


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of what the command writes; `stream` is stdout or stderr."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended. `exit_code` is as at a terminal; `question` is what it asks before it does something."""

    exit_code: int
    what: str = ""
    cure: str = ""
    refused: bool = False
    question: str = ""


class Forker:
    """Where commands' processes come from: forked from one that has everything imported."""

    def __init__(self) -> None:
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["infra.ops.console.commands.preloaded"])

    def warm_up(self) -> None:
        """So that the first command doesn't wait for the imports. Blocks."""
        from multiprocessing.forkserver import ensure_running

        ensure_running()

    @asynccontextmanager
    async def running(self, call: Call) -> AsyncIterator[Running]:
        """A process, which is over when the block ends, however that ends."""
        pipes = [os.pipe() for _ in range(3)]
        (out_read, out), (err_read, err), (leash, leash_held) = pipes
        handed = [Connection(out, readable=False), Connection(err, readable=False), Connection(leash, writable=False)]
        process = self._context.Process(target=run_call, args=(call, *handed), daemon=True)
        running = Running(process, call)
        try:
            await _started(process, handed)
        except BaseException:
            for descriptor in (out_read, err_read, leash_held):  # without the leash a process that began ends
                os.close(descriptor)
            raise
        try:
            await running.listen(out_read, err_read)
            yield running
        finally:
            os.close(leash_held)
            await asyncio.shield(running.stop())


async def _started(process: ForkServerProcess, handed: list[Connection]) -> None:
    """Not on the loop: the fork server may still be importing. What is handed over must stay open until it is."""
    starting = asyncio.create_task(asyncio.to_thread(process.start))
    try:
        await asyncio.shield(starting)
    finally:
        with contextlib.suppress(Exception):
            await starting
        for end in handed:
            end.close()


class Running:
    """A process that was started."""

    def __init__(self, process: ForkServerProcess, call: Call) -> None:
        self._process, self._call = process, call
        self._said: asyncio.Queue[Said | None] = asyncio.Queue(maxsize=4)  # a slow listener makes the command wait
        self._readers: list[asyncio.Task[None]] = []
        self._transports: list[asyncio.ReadTransport] = []

    async def listen(self, stdout: int, stderr: int) -> None:
        for name, descriptor in ((STDOUT, stdout), (STDERR, stderr)):
            reader = asyncio.StreamReader(limit=READ_BYTES)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                partial(asyncio.StreamReaderProtocol, reader), os.fdopen(descriptor, "rb", buffering=0)
            )
            self._transports.append(transport)
            self._readers.append(asyncio.create_task(self._read(name, reader)))

    async def said(self, *, silence: float) -> AsyncIterator[Said | None]:
        """What the command writes, as it comes, to the end; None after each so many seconds of silence."""
        ended = 0
        while ended < len(self._readers):
            try:
                async with asyncio.timeout(silence):
                    piece = await self._said.get()
            except TimeoutError:
                yield None
                continue
            if piece is None:
                ended += 1
            else:
                yield piece

    async def ended(self) -> Ended:
        """Waits for the process. What it said must have been read."""
        await self._over()
        code = self._process.exitcode
        told = self._told()
        return Ended(
            code if code is not None and code >= 0 else 128 - (code or 0),
            str(told.get("what", "")),
            str(told.get("cure", "")),
            bool(told.get("refused", False)),
            str(told.get("question", "")),
        )

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL where that isn't enough. Nothing is left of the process then."""
        if self._process.exitcode is None:
            self._process.terminate()
            drain = asyncio.create_task(self._drain())
            try:
                async with asyncio.timeout(TIDY_SECONDS):
                    await self._over()
            except TimeoutError:
                log.warning("Command killed", command=" ".join(self._call.words[:2]))
                self._process.kill()
                await self._over()
            finally:
                drain.cancel()
        for reader in self._readers:
            reader.cancel()
        for transport in self._transports:
            transport.close()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._process.join(0)
        with contextlib.suppress(ValueError):
            self._process.close()

    def interrupt(self) -> None:
        """As Ctrl-C at a terminal; what it says then is still heard."""
        if self._process.exitcode is None and self._process.pid:
            os.kill(self._process.pid, signal.SIGTERM)

    async def _read(self, name: str, reader: asyncio.StreamReader) -> None:
        decoder = getincrementaldecoder("utf-8")("replace")
        while data := await reader.read(READ_BYTES):
            if text := decoder.decode(data):
                await self._said.put(Said(name, text))
        if rest := decoder.decode(b"", final=True):
            await self._said.put(Said(name, rest))
        await self._said.put(None)

    async def _drain(self) -> None:
        """Nobody listens any more: a command that is being stopped must not wait for it."""
        while True:
            await self._said.get()

    async def _over(self) -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        if self._process.exitcode is not None:
            return
        loop.add_reader(self._process.sentinel, over.set)
        try:
            while self._process.exitcode is None:
                await over.wait()
                over.clear()
        finally:
            loop.remove_reader(self._process.sentinel)

    def _told(self) -> dict[str, Any]:
        try:
            found = json.loads(self._call.outcome.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}
