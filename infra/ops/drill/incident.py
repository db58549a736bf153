"""The incident as a responder has it in hand: what can be done, and when it was done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from infra.ops.drill.facts import Kind, Milestones, Timeline
from infra.ops.drill.fault import OutOfMemory
from infra.ops.drill.ground import Ground
from infra.ops.drill.observing import Observer, Page
from infra.ops.drill.plan import LOOPING, NORMAL, PAGES, STAGE, Plan

COMMAND_SECONDS = 60.0
LOOK_SECONDS = 0.5
SETTLED_SAMPLES = 3
QUIET_SECONDS = 10.0
"""Without a dead worker, before anything counts as mitigated."""
STABLE_SECONDS = 120.0
PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
SEVERITIES = ("P0", "P1", "P2", "P3")
CAUSES = {
    "cap": "a tenant at its own cap",
    "database": "PostgreSQL is away or full",
    "desk": "a desk is away",
    "few-workers": "too few workers for the peak",
    "kafka": "Kafka is away",
    "model": "the model is away",
    "release": "the last release",
    "tenants-tickets": "the tickets of one tenant; name the tenant, too",
}
RIGHT_SEVERITY, RIGHT_CAUSE = "P1", f"tenants-tickets {LOOPING}"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """`stdout` is empty where it went to the terminal."""

    exit_code: int
    stdout: bytes = b""

    def object(self) -> Any:
        """Raises ValueError for what is no JSON."""
        return orjson.loads(self.stdout)


@dataclass(slots=True)
class Incident:
    """`say` is how the world talks to the responder."""

    ground: Ground
    plan: Plan
    timeline: Timeline
    observer: Observer
    fault: OutOfMemory
    say: Callable[[str], None]
    milestones: Milestones = field(default_factory=Milestones)
    severity: str = ""
    cause: str = ""
    message: str = ""
    _engineering: asyncio.Task[None] | None = None

    # --- what a responder does ---------------------------------------------------------------------------------------------

    def acknowledge(self) -> None:
        if self.milestones.detected is None:
            self.milestones.detected = self._did("acknowledged").at

    def rate(self, severity: str) -> None:
        self.severity = severity
        self._triaged(f"priority {severity}")

    def name_cause(self, cause: str) -> None:
        self.cause = cause
        self._triaged(f"cause: {cause}")

    def tell_client(self, message: str) -> None:
        self.message = message
        at = self._did("told the client").at
        self.milestones.told = self.milestones.told or at
        self.say(
            "The client: thank you. Two mailboxes of ours answered each other; they are switched off. Nobody needs their tickets."
        )

    def escalate(self) -> None:
        """Engineering answers once, after a while."""
        self._did("escalated to engineering")
        if self._engineering is None:
            self.say(f"Engineering: we look at what kills {STAGE.value}. Keep those tickets away from it meanwhile.")
            self._engineering = asyncio.create_task(self._mend())

    async def command(self, *words: str, shown: bool = False) -> CommandResult:
        """`ticketstream WORDS` as a process of its own, on the terminal with `shown`. It is ended after a
        minute."""
        self.timeline.add(Kind.COMMAND, f"ticketstream {' '.join(words)}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, *words, stdin=asyncio.subprocess.DEVNULL,
            stdout=None if shown else asyncio.subprocess.PIPE, stderr=None if shown else asyncio.subprocess.PIPE,
            env=dict(self.ground.environment),
        )  # fmt: skip
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                out, _ = await process.communicate()
        except TimeoutError:
            self.say(f"ended after {COMMAND_SECONDS:.0f} s; for what lasts longer use another terminal")
            out = b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return CommandResult(process.returncode or 0, out or b"")

    def resolve(self) -> list[str]:
        """What still keeps it from being resolved; nothing: it is."""
        left = self._left()
        if not left:
            self.milestones.resolved = self._did("resolved").at
        return left

    # --- what is so --------------------------------------------------------------------------------------------------------

    async def first_page(self, names: frozenset[str], seconds: float) -> Page | None:
        """The first alert with one of these names that calls somebody; None where none does in time."""

        def found() -> Iterator[Page]:
            return (page for page in self.observer.pages if page.firing and page.name in names)

        await self._until(lambda: any(found()), seconds)
        return next(found(), None)

    async def mitigated(self, seconds: float) -> bool:
        """Whether within that time nobody but who is held on purpose has 20 or more waiting, and no worker dies any more."""
        return bool(await self._until(lambda: self.milestones.mitigated, seconds))

    async def mended(self, seconds: float) -> bool:
        return bool(await self._until(lambda: self.fault.mended, seconds))

    async def drained(self, seconds: float) -> bool:
        """Whether within that time nobody is held any more, and nobody has 20 or more waiting."""
        return bool(await self._until(lambda: self.milestones.drained, seconds))

    async def follow(self) -> None:
        """Notes down when it is mitigated, and when it is so no more. Until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def end(self) -> None:
        if self._engineering:
            self._engineering.cancel()
            await asyncio.gather(self._engineering, return_exceptions=True)

    @property
    def since_fault(self) -> timedelta:
        began = self.milestones.fault or self.timeline.clock()
        return self.timeline.clock() - began

    def _look(self) -> None:
        marks, samples = self.milestones, self.observer.samples
        if marks.alerted is None and (first := next((one for one in self.observer.pages if one.firing), None)):
            marks.alerted = first.at
        if marks.mitigated is None:
            last = samples[-SETTLED_SAMPLES:]
            calm = len(last) == SETTLED_SAMPLES and all(one.most < NORMAL for one in last)
            if marks.alerted and calm and self.fault.quiet_seconds > QUIET_SECONDS and self.observer.peak > NORMAL:
                marks.mitigated = last[0].at
                self.timeline.add(Kind.BACKLOG, "nobody who isn't held on purpose has 20 or more waiting", last[0].at)
        elif self.fault.last_kill > marks.mitigated.timestamp():
            marks.mitigated = marks.drained = None
            self.timeline.add(Kind.BACKLOG, "worse again: workers die")
        else:
            self._look_for_the_rest()

    def _look_for_the_rest(self) -> None:
        """Disabling a tenant takes its tickets out of what counts as mitigated; they are still to be worked off."""
        marks, last = self.milestones, self.observer.samples[-SETTLED_SAMPLES:]
        if marks.drained is None:
            if self.fault.mended and len(last) == SETTLED_SAMPLES and all(one.drained for one in last):
                marks.drained = last[0].at
                self.timeline.add(Kind.BACKLOG, "nobody has 20 or more waiting, nobody is held", last[0].at)
        elif not last[-1].drained:
            marks.drained = None
            self.timeline.add(Kind.BACKLOG, "tickets wait again")

    def _left(self) -> list[str]:
        sample, left = self.observer.last, list[str]()
        if sample is None or not sample.low:
            left.append("tickets wait: ticketstream lag show")
        if sample and sample.held:
            left.append(f"held: {', '.join(sorted(sample.held))}")
        if not self.fault.mended:
            left.append("the cause is still there: engineering has mended nothing yet")
        elif self.fault.quiet_seconds < STABLE_SECONDS:
            left.append(f"a worker died within the last {STABLE_SECONDS / 60:.0f} minutes")
        depth = [page.words() for page in self.observer.firing() if page.name == "HighQueueDepth"]
        return left + [f"still firing: {words}" for words in depth]

    def _did(self, what: str) -> Any:
        return self.timeline.add(Kind.RESPONDER, what)

    def _triaged(self, what: str) -> None:
        at = self._did(what).at
        if self.severity and self.cause:
            self.milestones.triaged = self.milestones.triaged or at

    async def _mend(self) -> None:
        await asyncio.sleep(self.plan.engineering_seconds)
        self.fault.mend()
        await self.ground.desks_take(self.plan.quiet_desk_seconds)
        self.say(f"Engineering: {STAGE.value} has more memory now and survives these tickets. Go on as you see fit.")

    async def _until(self, look: Callable[[], Any], seconds: float) -> Any:
        """What `look` says once that is true; None after `seconds`."""
        until = self.timeline.clock() + timedelta(seconds=seconds)
        while not (found := look()):
            if self.timeline.clock() > until:
                return None
            await asyncio.sleep(LOOK_SECONDS)
        return found


def clock_time(moment: datetime | None) -> str:
    return f"{moment:%H:%M:%S}" if moment else "–"


__all__ = ["CAUSES", "PAGES", "RIGHT_CAUSE", "RIGHT_SEVERITY", "SEVERITIES", "CommandResult", "Incident", "clock_time"]
