"""What the pages know without asking anew for each: the tenants' figures, the lag, the dead letters, the system's health."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from functools import partial

from aiohttp import web

from infra.ops.cli.acting import Acting
from infra.ops.cli.kafka_reader import TopicReader, client_config
from infra.ops.cli.operators import Operator
from infra.ops.console.pages.figures import Overview, overview
from infra.ops.console.pages.freshness import Copy, Fresh
from infra.ops.console.pages.lag_service import LagWatch
from infra.ops.console.pages.letter_shelf import LetterFollower
from infra.ops.console.pages.one_letter import LetterRoom
from infra.ops.console.pages.searches import Searches
from infra.ops.console.visits import Rooms
from infra.ops.health import Health, check_health
from infra.ops.health.looking import LAG_URL
from infra.runtime.kafka.schema_registry import codec_with
from schemas.topics import Topic

OVERVIEW_SECONDS, OVERVIEW_TOO_OLD = 10.0, 120.0
HEALTH_SECONDS, HEALTH_TOO_OLD = 15.0, 300.0
MOST_HEALTHS = 50
"""Copies of the system's health: one for each set of tenants that persons may touch, since it names tenants."""


class Known:
    """Starts with the application and ends with it. Everything in it is about all tenants: pages show of it a person's own."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.overview: Fresh[Overview] = Fresh(
            lambda: overview(rooms.pool()), every=OVERVIEW_SECONDS, too_old=OVERVIEW_TOO_OLD
        )
        self._healths: OrderedDict[frozenset[str] | None, Fresh[Health]] = OrderedDict()
        self.lag = LagWatch(self._lag_url)
        self.letters = LetterFollower(self._letter_reader)
        self.room = LetterRoom(rooms.around)
        self.searches = Searches()

    async def start(self) -> None:
        await self.lag.start()
        self.letters.start()

    async def stop(self) -> None:
        await self.searches.stop()
        await self.lag.stop()
        await self.letters.stop()
        await self.overview.stop()
        for one in self._healths.values():
            await one.stop()
        await self.room.close()

    async def health(self, operator: Operator) -> Copy[Health]:
        """As this person may see it; never waited for."""
        own = operator.tenants
        if own not in self._healths:
            self._healths[own] = Fresh(
                partial(self._health, operator), every=HEALTH_SECONDS, too_old=HEALTH_TOO_OLD, patience=0.0
            )
        self._healths.move_to_end(own)
        if len(self._healths) > MOST_HEALTHS:
            await self._healths.popitem(last=False)[1].stop()
        return await self._healths[own].get()

    def _lag_url(self) -> str | None:
        around = self._rooms.around
        given = around.given.get(LAG_URL)
        return given or (around.endpoints.lag if around.endpoints else None)

    def _letter_reader(self) -> TopicReader:
        """In a thread of its own, where nothing else waits for a registry."""
        variables, prefix = dict(self._rooms.around.variables), self._rooms.around.topic_prefix
        codec = asyncio.run(codec_with(variables.get("SCHEMA_REGISTRY_URL"), prefix))
        return TopicReader(client_config(variables), Topic.DEAD_LETTERS, prefix=prefix, codec=codec)

    async def _health(self, operator: Operator) -> Health:
        around = self._rooms.around
        return await check_health(around, Acting(around, self._rooms.pool(), operator))


KNOWN = web.AppKey("known", Known)


def knowing(rooms: Rooms) -> Callable[[web.Application], AsyncIterator[None]]:
    """For `app.cleanup_ctx`."""

    async def while_served(app: web.Application) -> AsyncIterator[None]:
        app[KNOWN] = known = Known(rooms)
        await known.start()
        yield
        await known.stop()

    return while_served
