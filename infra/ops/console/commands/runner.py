"""Commands under a person's token: only those that are served, so many at once, and not for ever."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.ops.cli.main import ticketstream
from infra.ops.cli.operators import TOKEN, Operator
from infra.ops.cli.rights import right_to
from infra.ops.cli.served import JSON, SERVED, leaves
from infra.ops.console import console_metrics
from infra.ops.console.commands.arguments import has_json, words_of
from infra.ops.console.commands.child import Call
from infra.ops.console.commands.running import STDERR, STDOUT, Ended, Forker, Running, Said
from infra.ops.console.commands.scratch import Scratch
from infra.ops.console.refusals import Refused
from infra.ops.console.sessions import Session
from infra.ops.console.visits import CommandResult
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

MOST_OBJECT_CHARACTERS = 16 * 1024 * 1024
"""Of a result that is given in one piece."""
KEPT_STDERR_CHARACTERS = 64 * 1024
RETRY_SECONDS = 5.0
SILENCE_SECONDS = 10.0
NOT_THEIRS = frozenset(
    {
        "DATABASE_URL_CONSOLE",
        "TICKETSTREAM_CONSOLE_KEYS",
        "TICKETSTREAM_CONSOLE_URL",
        "TICKETSTREAM_OPERATOR",
        "TICKETSTREAM_OPERATOR_TOKEN_FILE",
        "TICKETSTREAM_PORTS_FILE",
        "TICKETSTREAM_WEBHOOK_SECRET",
    }
)
"""Variables of the console's own that no command gets: its sessions' key ring, and whatever would speak for somebody else."""


OPERATORS_PASSWORD = "PGPASSWORD_OPERATOR"  # noqa: S105 - a variable's name
"""The operator's, where DATABASE_URL_OPERATOR has none: the console's own is in PGPASSWORD."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who wants a command run."""

    operator: Operator
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A command that runs: what it says, then how it ended and which files it made. `scratch` is gone afterwards."""

    running: Running
    scratch: Scratch
    deadline: float
    results: list[Ended] = field(default_factory=list)

    @property
    def ended(self) -> Ended:
        """Once all was heard that the command said."""
        return self.results[0]

    async def said(self) -> AsyncIterator[Said | None]:
        """None after each 10 s of silence. At the deadline the command is stopped like at a terminal, and it is said why."""
        told = False
        async for piece in self.running.said(silence=min(SILENCE_SECONDS, max(0.1, self.deadline - time.monotonic()))):
            if not told and time.monotonic() > self.deadline:
                told = True
                self.running.interrupt()
                yield Said(STDERR, "stopped: it took longer than the console lets a command take\n")
            yield piece
        self.results.append(await self.running.ended())


class Commands:
    """`environment` is the console's own; a command gets it, less what isn't its business, with the caller's token."""

    def __init__(
        self, environment: Mapping[str, str], *, most: int = 6, seconds: float = 3600.0, within: Path | None = None
    ) -> None:
        self._environment = {name: value for name, value in environment.items() if name not in NOT_THEIRS}
        if password := self._environment.pop(OPERATORS_PASSWORD, ""):
            self._environment["PGPASSWORD"] = password
        self._most, self._seconds, self._within = most, seconds, within
        self._of_tokens: Counter[str] = Counter()
        self.forker = Forker()
        self.served = {path: command for path, command in leaves(ticketstream) if path in SERVED}

    async def run(self, command: str, parameters: Mapping[str, Any], *, session: Session) -> CommandResult:
        """For a page. Raises Refused."""
        return (await self.in_one_piece(command, parameters, Caller(session.operator, session.token)))[0]

    async def in_one_piece(
        self, command: str, parameters: Mapping[str, Any], caller: Caller
    ) -> tuple[CommandResult, dict[str, bytes]]:
        """The command's JSON object and the files that it made. Raises Refused, also where all that is too much for one piece."""
        self._known(command)
        given = dict(parameters)
        if JSON not in given and has_json(command, self.served[command]):
            given[JSON] = True
        async with self.under_way(command, given, caller) as under_way:
            pieces: dict[str, list[str]] = {STDOUT: [], STDERR: []}
            size = 0
            async for said in under_way.said():
                if said is None:
                    continue
                size += len(said.text) if said.stream == STDOUT else 0
                if size > MOST_OBJECT_CHARACTERS:
                    raise _too_much()
                pieces[said.stream].append(said.text)
            ended = under_way.ended
            stderr = "".join(pieces[STDERR])[-KEPT_STDERR_CHARACTERS:]
            told = (ended.refused, ended.what, ended.cure, ended.question)
            found = CommandResult(ended.exit_code, _object("".join(pieces[STDOUT])), stderr, *told)
            return found, dict(_read(under_way.scratch))

    @asynccontextmanager
    async def under_way(self, command: str, given: Mapping[str, Any], caller: Caller) -> AsyncIterator[UnderWay]:
        """A command that runs, and is stopped when the block ends. Raises Refused."""
        self._known(command)
        began = time.monotonic()
        with self._place(caller), Scratch(self._within) as scratch:
            words = await asyncio.to_thread(words_of, command, self.served[command], given, scratch)
            call = Call(tuple(words), self._given_to(caller, scratch), scratch.work, scratch.outcome)
            results: list[Ended] = []
            try:
                async with self.forker.running(call) as running:
                    yield UnderWay(running, scratch, began + self._seconds, results)
            finally:
                _note(command, caller, results[0] if results else None, time.monotonic() - began)

    def listed(self) -> list[dict[str, Any]]:
        """The served commands, for who wants to know."""
        return [
            {"command": path, "help": command.get_short_help_str(200), "role": _role(path)}
            for path, command in sorted(self.served.items())
        ]

    def _known(self, command: str) -> None:
        if command not in self.served:
            raise Refused(404, f"{command[:60]!r} is not served", "see GET /api/v1/commands", reason="no_such_command")

    @contextmanager
    def _place(self, caller: Caller) -> Iterator[None]:
        """One of those that may run at once. A person has half of them at most, so that nobody takes them all."""
        key = caller.operator.token_id or ""
        own = self._of_tokens[key] >= max(1, self._most // 2)
        if own or self._of_tokens.total() >= self._most:
            console_metrics.BUSY.inc()
            whose = "yours" if own else "too many commands"
            raise Refused(503, f"{whose} run already", "wait for one to end", reason="busy", retry_after=RETRY_SECONDS)
        self._of_tokens[key] += 1
        console_metrics.RUNNING.inc()
        try:
            yield
        finally:
            console_metrics.RUNNING.dec()
            self._of_tokens[key] -= 1
            self._of_tokens += Counter()  # forgets who has none

    def _given_to(self, caller: Caller, scratch: Scratch) -> dict[str, str]:
        nowhere = {"TICKETSTREAM_STATE_DIR": str(scratch.folder / "no-stack"), "HOME": str(scratch.folder)}
        return {**nowhere, **self._environment, TOKEN: caller.token}


def _note(command: str, caller: Caller, ended: Ended | None, seconds: float) -> None:
    """The audit log is the command's own business; this is the console's log."""
    result = "stopped"
    if ended is not None:
        result = {0: "done", 2: "wrong_use", 130: "stopped"}.get(ended.exit_code, "failed")
        result = "refused" if ended.refused else result
    console_metrics.COMMANDS.labels(command, result).inc()
    log.info(
        "Command",
        command=command,
        person=caller.operator.name,
        token_id=caller.operator.token_id,
        result=result,
        exit_code=ended.exit_code if ended else None,
        seconds=round(seconds, 3),
    )


def _object(text: str) -> dict[str, Any] | None:
    """The object on stdout. Of a command that prints several, one a line, all of them as `objects`."""
    try:
        found = json.loads(text)
        return found if isinstance(found, dict) else None
    except ValueError:
        pass
    try:
        return {"objects": [json.loads(line) for line in text.splitlines() if line.strip()]} if text.strip() else None
    except ValueError:
        return None


def _read(scratch: Scratch) -> Iterator[tuple[str, bytes]]:
    size = 0
    for name, path in scratch.made():
        size += path.stat().st_size
        if size > MOST_OBJECT_CHARACTERS:
            raise _too_much()
        yield name, path.read_bytes()


def _too_much() -> Refused:
    return Refused(
        413,
        "the result is larger than 16 MiB",
        "ask for less, or with Accept: application/x-ndjson",
        reason="too_large",
    )


def _role(path: str) -> str | None:
    role = right_to(path).role
    return role.value if role else None
