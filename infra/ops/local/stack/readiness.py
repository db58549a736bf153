"""Waits until services are ready, and gives up early on those that won't be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from infra.ops.local.stack.service import ServiceSpec, ServiceState
from infra.ops.local.stack.supervisor import Supervisor

POLL_SECONDS = 0.15
HOPELESS_RESTARTS = 4


class ServicesNotReady(Exception):
    """Services failed or weren't ready in time; the message has the end of each one's log."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a service listens; None for a port that it hasn't."""

    public: str | None = None
    internal: str | None = None


def addresses(spec: ServiceSpec) -> Addresses:
    """What the service wrote to its ports file; nothing while it hasn't."""
    if spec.ports_file is None:
        return Addresses()
    try:
        written = orjson.loads(spec.ports_file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return Addresses()
    return Addresses(written.get("public"), written.get("internal"))


async def wait_until_ready(supervisor: Supervisor, specs: Sequence[ServiceSpec], *, seconds: float) -> None:
    """Returns when `/readyz` (or the health URL) of all answers 200. Raises ServicesNotReady at once when one refuses its settings
    or keeps dying, otherwise after `seconds`."""
    deadline = time.monotonic() + seconds
    waiting = {spec.name: spec for spec in specs}
    details = dict.fromkeys(waiting, "no answer yet")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        while waiting:
            _give_up_on_hopeless(supervisor, waiting)
            for name, spec in list(waiting.items()):
                details[name] = await _unready(http, spec)
                if not details[name]:
                    del waiting[name]
            if waiting and time.monotonic() > deadline:
                told = [f"{name} is not ready after {seconds:.0f} s: {details[name]}" for name in waiting]
                raise ServicesNotReady(_with_logs(supervisor, dict(zip(waiting, told, strict=True))))
            if waiting:
                await asyncio.sleep(POLL_SECONDS)


async def _unready(http: aiohttp.ClientSession, spec: ServiceSpec) -> str:
    """Why it isn't ready; empty when it is."""
    internal = addresses(spec).internal
    url = f"{internal}/readyz" if internal else spec.health_url
    if url is None:
        return "it hasn't told its ports yet"
    try:
        async with http.get(url) as answer:
            return "" if answer.status == 200 else f"{url} answers {answer.status} {(await answer.text())[:300]}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{url}: {type(error).__name__} {error}"


def _give_up_on_hopeless(supervisor: Supervisor, waiting: dict[str, ServiceSpec]) -> None:
    failed: dict[str, str] = {}
    for name in waiting:
        status = supervisor.status(name)
        if status.state is ServiceState.FAILED:
            failed[name] = f"{name} refuses its settings"
        elif status.restarts >= HOPELESS_RESTARTS:
            failed[name] = f"{name} died {status.restarts} times while starting"
    if failed:
        raise ServicesNotReady(_with_logs(supervisor, failed))


def _with_logs(supervisor: Supervisor, told: dict[str, str]) -> str:
    parts = []
    for name, text in told.items():
        log = supervisor.log(name)
        parts.append(f"{text}. The end of {log.path}:\n{log.tail()}")
    return "\n".join(parts)
