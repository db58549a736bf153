"""A responder at a terminal: sees what arrives, and says what is done."""

from __future__ import annotations

import asyncio
import shlex
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TextIO

from infra.ops.drill.client_message import first_message
from infra.ops.drill.incident import CAUSES, SEVERITIES, Incident, clock_time
from infra.ops.drill.observing import Page

HELP = """\
  ack                    you have seen the alert and take it
  severity P1            how bad it is: P0, P1, P2 or P3
  cause WORD [TENANT]    what it is:
{causes}
  client                 the first message to the client, filled in; `client send` sends it, `client send TEXT` your own
  escalate               ask engineering
  ticketstream …         any command of ours, on the drill's stack (at most a minute; what follows for ever: another terminal)
  status                 the clock, and what you have said so far
  done                   it is resolved
  quit                   end the drill here"""


def greeting(incident: Incident) -> str:
    """What a person needs before it begins."""
    ends = incident.ground.stack.endpoints
    return "\n".join(
        [
            "It is the morning peak. You are on call. Alerts appear here, as on your phone.",
            f"  in another terminal: export TICKETSTREAM_STATE_DIR={incident.ground.folder}",
            f"  Prometheus    {ends.prometheus}/alerts",
            f"  Alertmanager  {ends.alertmanager}",
            f"  logs          {incident.ground.folder / 'logs'}",
            "  runbooks      infra/runbooks/, messages infra/handbook/incidents/messages.md",
            "What you can say here (help shows it again):",
            help_text(),
        ]
    )


def help_text() -> str:
    return HELP.format(causes="\n".join(f"{'':<25}{word:<16}{text}" for word, text in CAUSES.items()))


def told(page: Page) -> str:
    """An alert as it appears on a telephone."""
    bell = "ALERT" if page.firing else "resolved"
    return f"\a{bell}  {page.name} ({page.severity})\n       {page.summary}\n       runbook: {page.runbook}"


@dataclass(slots=True)
class Person:
    """Reads lines until the incident is resolved, `quit`, or the end of the input."""

    incident: Incident
    lines: AsyncIterator[str]

    async def respond(self) -> None:
        async for line in self.lines:
            word, _, rest = line.strip().partition(" ")
            if word == "quit" or (word == "done" and self._done()):
                return
            await self._handle(word, rest.strip())

    async def _handle(self, word: str, rest: str) -> None:
        if word == "ticketstream":
            await self._command(rest)
        elif word in ("", "done"):
            return
        elif (handle := self._words().get(word)) is not None:
            handle(rest)
        else:
            self.incident.say(
                f"{word} is not known: ack, severity, cause, client, escalate, ticketstream, status, done, quit"
            )

    def _words(self) -> dict[str, Callable[[str], None]]:
        return {
            "ack": self._ack,
            "severity": self._severity,
            "cause": self._cause,
            "client": self._client,
            "escalate": lambda _: self.incident.escalate(),
            "status": lambda _: self._status(),
            "help": lambda _: self.incident.say(help_text()),
        }

    def _ack(self, _: str) -> None:
        if self.incident.observer.firing():
            self.incident.acknowledge()
            self._status()
        else:
            self.incident.say("There is no alert.")

    def _severity(self, rest: str) -> None:
        if rest.upper() not in SEVERITIES:
            self.incident.say(f"one of {', '.join(SEVERITIES)}")
            return
        self.incident.rate(rest.upper())
        self._status()

    def _cause(self, rest: str) -> None:
        if rest.partition(" ")[0] not in CAUSES:
            self.incident.say("one of:\n" + "\n".join(f"  {word:<16}{text}" for word, text in CAUSES.items()))
            return
        self.incident.name_cause(" ".join(rest.split()))
        self._status()

    def _client(self, rest: str) -> None:
        word, _, text = rest.partition(" ")
        if word != "send":
            self.incident.say(first_message(self.incident) + "\n`client send` sends it.")
            return
        self.incident.tell_client(text.strip() or first_message(self.incident))

    async def _command(self, rest: str) -> None:
        try:
            words = shlex.split(rest)
        except ValueError as error:
            self.incident.say(f"{error}: close the quotation mark")
            return
        result = await self.incident.command(*words, shown=True)
        if result.exit_code:
            self.incident.say(f"exit code {result.exit_code}")

    def _done(self) -> bool:
        left = self.incident.resolve()
        for line in left:
            self.incident.say(f"not yet: {line}")
        return not left

    def _status(self) -> None:
        marks, incident = self.incident.milestones, self.incident
        said = {
            "now": clock_time(incident.timeline.clock()),
            "alert": clock_time(marks.alerted),
            "acknowledged": clock_time(marks.detected),
            "priority": incident.severity or "–",
            "cause": incident.cause or "–",
            "client told": clock_time(marks.told),
        }
        incident.say("  ".join(f"{name} {value}" for name, value in said.items()))


async def typed(source: TextIO = sys.stdin) -> AsyncIterator[str]:
    """Lines of a terminal. A thread reads them, which ends with the process: a terminal can't be waited for otherwise."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[str | None](100)

    def read() -> None:
        while line := source.readline():
            asyncio.run_coroutine_threadsafe(queue.put(line), loop)
        asyncio.run_coroutine_threadsafe(queue.put(None), loop)

    threading.Thread(target=read, name="typed", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line
