"""Processes that run commands as the console script does, one after the other: what commands import is paid for once in each."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.chain.running_chain import PROGRAM as CONSOLE_SCRIPT
from tests.integration.chain.running_chain import RunningChain

AT_ONCE = 3
SECONDS = 120.0
"""For one command, on a machine that is busy with other things."""
PROGRAM = """
import contextlib, io, json, os, sys
asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
from infra.ops.cli.main import run
for line in asked:
    words, folder = json.loads(line)
    os.chdir(folder)
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run(words)
    print(json.dumps([code, said.getvalue()[-4000:]]), file=answers)
"""


@dataclass(frozen=True, slots=True)
class Result:
    """Of a command: its exit code and the end of what it said."""

    words: tuple[str, ...]
    code: int
    said: str

    def told(self) -> str:
        return f"ticketstream {' '.join(self.words)}: {self.code}\n{self.said}"


class Runners:
    """`run` waits for a free process. A command that doesn't end raises AssertionError with its name."""

    def __init__(self, chain: RunningChain, token: str) -> None:
        """`token` is an operator's."""
        self._environment = {
            **chain.environment,
            "TICKETSTREAM_STATE_DIR": str(chain.stack.state_dir),
            "TICKETSTREAM_OPERATOR_TOKEN": token,
        }
        self._free: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Runners]:
        processes = [await self._process(PROGRAM) for _ in range(AT_ONCE)]
        for process in processes:
            self._free.put_nowait(process)
        try:
            yield self
        finally:
            for process in processes:
                assert process.stdin
                process.stdin.close()
                await process.wait()

    async def run(self, words: Sequence[str], folder: Path) -> Result:
        process = await self._free.get()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([words, str(folder)]).encode() + b"\n")
        try:
            line = await asyncio.wait_for(process.stdout.readline(), SECONDS)
        except TimeoutError:
            process.kill()
            raise AssertionError(f"not done within {SECONDS:.0f} s: ticketstream {' '.join(words)}") from None
        assert line, f"ended its process: ticketstream {' '.join(words)}"
        self._free.put_nowait(process)
        code, said = json.loads(line)
        return Result(tuple(words), code, said)

    async def apart(self, words: Sequence[str], variables: Mapping[str, str]) -> Result:
        """In a process of its own, with further variables of the environment."""
        process = await self._process(CONSOLE_SCRIPT, *words, **variables)
        said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        assert process.returncode is not None
        return Result(tuple(words), process.returncode, said.decode(errors="replace"))

    async def stopped(self, words: Sequence[str]) -> Result:
        """Of one that goes on until Ctrl-C, which comes as soon as it has said something."""
        process = await self._process(CONSOLE_SCRIPT, *words)
        assert process.stdout
        try:
            said = await asyncio.wait_for(process.stdout.readline(), SECONDS)
        except TimeoutError:
            process.kill()
            raise AssertionError(f"said nothing within {SECONDS:.0f} s: ticketstream {' '.join(words)}") from None
        process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        assert process.returncode is not None
        return Result(tuple(words), process.returncode, (said + rest).decode(errors="replace"))

    async def _process(self, program: str, *words: str, **variables: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, *words, env=self._environment | variables,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
