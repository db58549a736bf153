"""What checks work with: the surroundings, one HTTP session, and whoever looks, with one pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import aiohttp
import asyncpg

from infra.ops.cli.acting import Acting, acting
from infra.ops.cli.failure import Failure
from infra.ops.cli.surroundings import Surroundings
from infra.ops.health.prometheus import Prometheus
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import Pool

PROMETHEUS_URL = "TICKETSTREAM_PROMETHEUS_URL"
LAG_URL = "TICKETSTREAM_LAG_URL"
WHO_SECONDS = 2.0
MOST_BYTES = 4 * 1024 * 1024
T = TypeVar("T")
AWAY = (PostgresUnavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Looking:
    """`entering` ends with whoever looks, at work; it raises NotAllowed where that person may not look."""

    around: Surroundings
    http: aiohttp.ClientSession
    entering: asyncio.Future[Acting]
    _asked: dict[Any, asyncio.Task[Any]] = field(default_factory=dict)

    async def once(self, ask: Callable[[Looking], Coroutine[Any, Any, T]]) -> T:
        """What `ask` returns or raises, asked once for all checks: one that gives up waiting doesn't end it for the others."""
        if ask not in self._asked:
            self._asked[ask] = asyncio.create_task(ask(self))
        return cast(T, await asyncio.shield(self._asked[ask]))

    async def end(self) -> None:
        """Nothing is asked any more."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    @property
    def prometheus(self) -> Prometheus | None:
        """None where nobody says where it is."""
        url = self.around.variables.get(PROMETHEUS_URL)
        return Prometheus(url.rstrip("/"), self.http) if url else None

    @property
    def lag_service(self) -> str | None:
        """Its URL, where that is known."""
        endpoints = self.around.endpoints
        url = self.around.given.get(LAG_URL) or (endpoints.lag if endpoints else None)
        return url.rstrip("/") if url else None

    async def pool(self) -> Pool:
        """Raises what the database raises that is away, Failure where no address is known."""
        return (await asyncio.shield(self.entering)).pool

    async def may_see(self, tenant_ids: list[str]) -> dict[str, str]:
        """By tenant, what it is called here: tenants that this person may not touch are left out. While the database can't say who
        looks, nobody is named."""
        try:
            async with asyncio.timeout(WHO_SECONDS):
                person = (await asyncio.shield(self.entering)).operator
        except (*AWAY, Failure):
            return dict.fromkeys(tenant_ids, "a tenant")
        return {name: name for name in tenant_ids if person.may_touch(name)}

    async def get(self, url: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON object. Raises what aiohttp raises, ValueError for what is no object."""
        async with self.http.get(url, allow_redirects=False) as answer:
            found = await answer.json(content_type=None)
        if not isinstance(found, dict):
            raise ValueError(f"{url} answers no JSON object")
        return answer.status, found


@asynccontextmanager
async def looking(around: Surroundings, at_work: Acting | None) -> AsyncIterator[Looking]:
    """With `at_work` somebody has found out already who looks; else the surroundings' token says so."""
    leave = asyncio.Event()
    entering: asyncio.Future[Acting] = asyncio.get_running_loop().create_future()
    inside = asyncio.create_task(_enter(around, entering, leave))
    if at_work is not None:
        inside.cancel()
        entering = asyncio.get_running_loop().create_future()
        entering.set_result(at_work)
    try:
        async with aiohttp.ClientSession() as http:
            sight = Looking(around, http, entering)
            try:
                yield sight
            finally:
                await sight.end()
    finally:
        leave.set()
        await _ended(inside)
        entering.cancel()
        if entering.done() and not entering.cancelled():
            entering.exception()  # seen, whoever asked


async def _enter(around: Surroundings, entering: asyncio.Future[Acting], leave: asyncio.Event) -> None:
    """Inside `acting` until it is told to leave."""
    try:
        async with acting(around) as at_work:
            entering.set_result(at_work)
            await leave.wait()
    except Exception as error:
        if not entering.done():
            entering.set_exception(error)


async def _ended(task: asyncio.Task[None]) -> None:
    """A connection that hangs doesn't hold anybody up."""
    done, _ = await asyncio.wait({task}, timeout=0.3)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=0.3)
