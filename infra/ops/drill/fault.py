"""Workers are killed as the kernel kills those that run out of memory: a while after one began with a ticket of the mail loop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass

from infra.ops.drill.facts import Kind, Timeline
from infra.ops.drill.plan import LOOPING, STAGE
from infra.ops.local.stack import LocalStack
from infra.runtime.stream.running_file import under_way

LOOK_SECONDS = 0.25


@dataclass(slots=True)
class OutOfMemory:
    """What is worked on stands in the stage's own file of what is under way. Ends with `mended`."""

    stack: LocalStack
    timeline: Timeline
    swell_seconds: float
    tenant_id: str = LOOPING
    stage: str = STAGE.value
    kills: int = 0
    last_kill: float = 0.0
    mended: bool = False

    async def run(self) -> None:
        began: float | None = None
        while not self.mended:
            works = await asyncio.to_thread(self._works_on_it)
            began = (began or time.monotonic()) if works else None
            if began and time.monotonic() - began >= self.swell_seconds:
                self._kill()
                began = None
            await asyncio.sleep(LOOK_SECONDS)

    def mend(self) -> None:
        """From now on its memory suffices."""
        self.mended = True
        self.timeline.add(
            Kind.FAULT, f"engineering raised the memory limit of {self.stage}: it survives these tickets now"
        )

    @property
    def quiet_seconds(self) -> float:
        """Since it killed a worker last."""
        return time.time() - self.last_kill

    def _works_on_it(self) -> bool:
        """Files that are older than the last kill are the dead one's."""
        handled = under_way(self.stack.state_dir / "run", STAGE.group(), since=self.last_kill)
        return any(one.tenant_id == self.tenant_id for one in handled)

    def _kill(self) -> None:
        pid = self.stack.supervisor.status(self.stage).pid
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills, self.last_kill = self.kills + 1, time.time()
            self.timeline.add(Kind.WORKER, f"a {self.stage} worker was killed: out of memory")
