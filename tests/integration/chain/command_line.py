"""Commands as people run them: their exit code, what they print, and a folder where their files end up."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.chain.running_chain import PROGRAM, RunningChain

SECONDS = 150.0
"""On a machine that is busy with other things."""
_ONE_AFTER_THE_OTHER = """
import json, sys
from infra.ops.cli.main import run
for words in json.loads(sys.argv[1]):
    print(run(words), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: bytes
    err: str


async def ran(environment: Mapping[str, str], folder: Path, *words: str) -> Ran:
    """Any program."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    return Ran(process.returncode, out, err.decode())


def environment(chain: RunningChain, **more: str) -> dict[str, str]:
    own = {"TICKETSTREAM_STATE_DIR": str(chain.stack.state_dir), "PYTHONPATH": str(Path.cwd())}
    return {**chain.environment, **own, **more}


async def ticketstream(chain: RunningChain, folder: Path, *words: str, **more: str) -> Ran:
    """`ticketstream WORDS` with `more` variables."""
    return await ran(environment(chain, **more), folder, sys.executable, "-c", PROGRAM, *words)


async def exit_codes(
    chain: RunningChain, folder: Path, commands: list[list[str]], **more: str
) -> tuple[list[str], str]:
    """What the commands print on stdout, each with its exit code on a line behind it, and stderr; one interpreter for all."""
    done = await ran(
        environment(chain, **more), folder, sys.executable, "-c", _ONE_AFTER_THE_OTHER, json.dumps(commands)
    )
    return done.out.decode().splitlines(), done.err
