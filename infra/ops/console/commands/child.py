"""The process in which one command runs: the command line's own code, with the caller's token and a folder of the call's.

It is forked from a process that has everything imported (`multiprocessing`'s fork server), since to import what a command needs
takes a second of a core. Nothing is open there yet, no thread runs, and it never saw anybody's token.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

MOST_MADE_BYTES = 1024 * 1024 * 1024
"""Of one file that a command makes."""


@dataclass(frozen=True, slots=True)
class Call:
    """`words` stand behind `ticketstream`; `environment` is all that the command gets; `outcome` is where the process says how it
    ended beyond its exit code."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    work: Path
    outcome: Path


def run_call(call: Call, stdout: Connection, stderr: Connection, leash: Connection) -> None:
    """The process's main. Ends with the command's exit code."""
    _be_stopped_like_at_a_terminal()
    _end_with(leash)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the token
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_MADE_BYTES, MOST_MADE_BYTES))
    os.umask(0o077)
    sys.argv = ["ticketstream"]
    os.chdir(call.work)
    os.environ.clear()
    os.environ.update(call.environment)
    _speak_into(stdout, stderr)
    if not os.environ.get("TICKETSTREAM_OPERATOR_TOKEN"):
        raise SystemExit("a command without a token is not run")  # it would be anybody's
    from infra.ops.cli.main import run

    outcome: dict[str, Any] = {}

    def told(error: click.ClickException) -> bool:
        outcome.update(_told(error))
        return "question" in outcome  # the caller asks it

    code = run(call.words, told=told)
    call.outcome.write_text(json.dumps(outcome | {"exit": code}), encoding="utf-8")
    sys.exit(code)


def _told(error: click.ClickException) -> dict[str, Any]:
    from infra.ops.cli.confirmation import Unconfirmed
    from infra.ops.cli.failure import Failure
    from infra.ops.cli.operators import NotAllowed

    found: dict[str, Any] = {"what": error.format_message(), "cure": "", "refused": isinstance(error, NotAllowed)}
    if isinstance(error, Failure):
        found |= {"what": error.what, "cure": error.cure}
    if isinstance(error, Unconfirmed):
        found["question"] = error.question
    return found


def _be_stopped_like_at_a_terminal() -> None:
    """SIGTERM is what Ctrl-C is at a terminal: commands tidy up then."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))


def _end_with(leash: Connection) -> None:
    """Linux sends SIGTERM when the other end of this pipe is gone, however the console ended: it alone has it."""
    if not hasattr(fcntl, "F_SETSIG"):
        return
    descriptor = leash.fileno()
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGTERM)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    if leash.poll(0):  # it was gone before
        raise SystemExit("the console is gone")


def _speak_into(stdout: Connection, stderr: Connection) -> None:
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for connection, number in ((stdout, 1), (stderr, 2)):
        os.dup2(connection.fileno(), number)
        connection.close()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stdout = open(1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
