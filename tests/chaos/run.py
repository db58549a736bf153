"""One run: a world, its traffic, the faults at their times, then quiet until nothing is left, and the oracle's verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from infra.ops.local.model_server import ModelFault
from tests.chaos.evidence import gather, wait_until_idle
from tests.chaos.faults import FAULTS
from tests.chaos.oracle import Verdict, judge
from tests.chaos.plan import Plan
from tests.chaos.world import World

Tell = Callable[[str], None]
MODEL_SECONDS = (0.2, 1.5)
"""How long the model takes for an answer: long enough that kills find calls running."""


@dataclass(slots=True)
class Struck:
    """A fault that struck; seconds of the run. `until` is None while it lasts, and when it could not be undone."""

    name: str
    at: float
    until: float | None = None
    what: str = ""


@dataclass(slots=True)
class Report:
    """`seconds` from the first webhook until nothing was left to do, `recovery_seconds` from the end of the last fault."""

    seed: int
    folder: Path
    verdict: Verdict = field(default_factory=Verdict)
    faults: list[Struck] = field(default_factory=list)
    seconds: float = 0.0
    recovery_seconds: float = 0.0
    whole_seconds: float = 0.0
    webhooks: int = 0
    restarts: int = 0

    @property
    def right(self) -> bool:
        return self.verdict.right and all(struck.until is not None for struck in self.faults)

    def as_json(self) -> dict[str, Any]:
        verdict = self.verdict
        return {
            "seed": self.seed,
            "right": self.right,
            "faults": [asdict(struck) for struck in self.faults],
            "webhooks": self.webhooks,
            "accepted": verdict.accepted,
            "notes": verdict.notes,
            "lost": len(verdict.lost),
            "doubled": len(verdict.doubled),
            "crossed": len(verdict.crossed),
            "never_accepted": len(verdict.never_accepted),
            "wrong_refusals": len(verdict.wrong_refusals),
            "wrong_dead_letters": len(verdict.wrong_dead_letters),
            "dead_letters": verdict.dead_letters,
            "model_answers": verdict.paid,
            "model_answers_paid_again": {"explained_by_kills": verdict.paid_again_excused, "unexplained": len(verdict.paid_again)},
            "lag": verdict.lag,
            "restarts": self.restarts,
            "seconds": round(self.seconds, 1),
            "recovery_seconds": round(self.recovery_seconds, 1),
            "whole_seconds": round(self.whole_seconds, 1),
            "findings": {kind: [asdict(one) for one in found] for kind, found in verdict.findings().items()},
            "folder": str(self.folder),
        }  # fmt: skip


async def run(plan: Plan, folder: Path, tell: Tell = lambda _: None) -> Report:
    """The report. What the run leaves in `folder` is the caller's to keep or remove."""
    report, began = Report(plan.seed, folder), time.monotonic()
    async with World(plan, folder) as world:
        tell(f"ready after {time.monotonic() - began:.0f} s: {len(world.fleet.members)} processes")
        low, high = MODEL_SECONDS
        await world.model.set_faults(ModelFault(kind="latency", seconds=low, seconds_max=high))
        sending = asyncio.create_task(world.sender.run())
        await asyncio.sleep(0)
        striking = asyncio.create_task(_strike_all(world, report, tell))
        await asyncio.gather(sending, striking)
        tell(f"{world.sender.seconds():6.1f} s  everything sent and every fault over, waiting until nothing is left")
        lag = await wait_until_idle(world, plan.settle_seconds)
        report.seconds = world.sender.seconds()
        last = max((struck.until or 0.0 for struck in report.faults), default=0.0)
        report.recovery_seconds = report.seconds - last
        report.webhooks = sum(len(row.tries) for row in world.sender.rows)
        report.restarts = len(world.fleet.deaths)
        report.verdict = judge(await gather(world, lag, world.excuses))
    report.whole_seconds = time.monotonic() - began
    return report


async def _strike_all(world: World, report: Report, tell: Tell) -> None:
    """Each at its time, whatever the others are at."""
    strikes = [
        _strike(world, report, at, name, Random(f"{world.plan.seed} {number} {name}"), tell)
        for number, (at, name) in enumerate(world.plan.faults)
    ]
    await asyncio.gather(*strikes)


async def _strike(world: World, report: Report, at: float, name: str, random: Random, tell: Tell) -> None:
    await asyncio.sleep(max(0.0, at - world.sender.seconds()))
    struck = Struck(name, round(world.sender.seconds(), 1))
    report.faults.append(struck)
    try:
        struck.what = await FAULTS[name](world, random)
        struck.until = round(world.sender.seconds(), 1)
    except (
        Exception
    ) as error:  # a fault that can't be undone is a failure of the run, whose ledgers are still worth reading
        struck.what = f"FAILED: {error!r}"
    tell(f"{struck.at:6.1f} s  {name}: {struck.what}")
