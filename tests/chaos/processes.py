"""The chain's processes: several of each service, started again when they die, killed, frozen and exchanged at will."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from infra.ops.local.stack.service import Backoff, ServiceEvent, ServiceSpec
from infra.ops.local.stack.supervisor import Supervisor

BACKOFF = Backoff(first=1.0, longest=3.0, healthy_after=8.0)
"""As a cluster does it: back within seconds."""
READY_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Death:
    """`at` in seconds since 1970."""

    name: str
    text: str
    at: float


@dataclass(slots=True)
class Member:
    """A supervisor of its own each, so that one can go alone."""

    service: str
    spec: ServiceSpec
    supervisor: Supervisor
    frozen: bool = False

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int | None:
        return self.supervisor.status(self.name).pid


class Fleet:
    """`deaths` are all ends of processes that were not asked to stop, and exchanges."""

    def __init__(self, logs: Path, session: aiohttp.ClientSession) -> None:
        self._logs, self._session = logs, session
        self.members: dict[str, Member] = {}
        self.deaths: list[Death] = []

    def of(self, service: str) -> list[Member]:
        return [member for member in self.members.values() if member.service == service]

    async def add(self, service: str, spec: ServiceSpec) -> Member:
        supervisor = Supervisor(self._logs, backoff=BACKOFF, on_event=self._told)
        member = self.members[spec.name] = Member(service, spec, supervisor)
        await supervisor.start([spec])
        return member

    async def remove(self, name: str) -> None:
        """SIGTERM, and SIGKILL after its patience."""
        member = self.members.pop(name)
        self.thaw(member)
        await member.supervisor.stop()

    async def stop(self) -> None:
        await asyncio.gather(*(self.remove(name) for name in list(self.members)))

    def kill(self, member: Member) -> bool:
        """kill -9, if it runs."""
        pid = member.pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def freeze(self, member: Member) -> bool:
        member.frozen = self._signal(member, signal.SIGSTOP)
        return member.frozen

    def thaw(self, member: Member) -> None:
        if member.frozen:
            self._signal(member, signal.SIGCONT)
            member.frozen = False

    async def exchange(self, member: Member) -> bool:
        """SIGTERM, then wait until its successor is ready: a step of a rolling restart. Whether it came back in time."""
        before = member.pid
        if not self._signal(member, signal.SIGTERM):
            return await self.ready(member)
        deadline = time.monotonic() + member.spec.stop_seconds
        while member.pid == before and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        if member.pid == before:
            self.kill(member)
        return await self.ready(member)

    async def ready(self, member: Member, seconds: float = READY_SECONDS) -> bool:
        """Whether its probe said so in time."""
        deadline = time.monotonic() + seconds
        while not await self._is_ready(member):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.2)
        return True

    def _signal(self, member: Member, number: signal.Signals) -> bool:
        pid = member.pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            return True
        return False

    async def _is_ready(self, member: Member) -> bool:
        if member.pid is None:
            return False
        url = member.spec.health_url
        if member.spec.ports_file is not None:
            try:
                url = f"{json.loads(member.spec.ports_file.read_text())['internal']}/readyz"
            except (OSError, ValueError):
                return False
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.get(url or "", timeout=aiohttp.ClientTimeout(total=3)) as answer:
                return answer.status == 200
        return False

    def _told(self, event: ServiceEvent) -> None:
        if event.status.exit_code is not None and event.status.pid is None:
            self.deaths.append(Death(event.name, event.text, time.time()))
