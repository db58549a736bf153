"""A server of this stack as a child process that ends with it, and what is left of one whose stack was killed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from infra.ops.local.leash import leashed
from infra.ops.local.log_file import LogFile

STOP_SECONDS = 20.0


@dataclass
class LeashedProcess:
    """`ends_by` is the signal that asks the server to stop. Start it on the main thread (see `leash`)."""

    ends_by: signal.Signals
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    @property
    def started(self) -> bool:
        """Whether it ever was."""
        return self._process is not None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.running else None

    def spawn(
        self,
        command: list[str],
        log: LogFile,
        *,
        user: str = "",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> int:
        """Its process id. A terminal's Ctrl-C doesn't reach it: that is for the stack, which stops its parts in order."""
        with log.open() as out:
            self._process = subprocess.Popen(
                leashed(command, when_parent_ends=self.ends_by, user=user),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=cwd,
                env=env,
            )
        return self._process.pid

    async def stop(self, patience: float) -> None:
        """Asks it to stop, and SIGKILL after `patience` seconds. Safe to call twice."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(self.ends_by)
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, patience)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as an accident would."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(10)


def end_left_behind(left: psutil.Process, ends_by: signal.Signals) -> None:
    """Ends a process that isn't our child, with SIGKILL after 20 s. Blocking. Raises psutil.Error."""
    left.send_signal(ends_by)
    try:
        left.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        left.kill()
        left.wait(10)
