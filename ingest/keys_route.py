"""`GET /keys`: the public keys of all services, for analysts who check signatures. A copy; no process trusts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from aiohttp import web

from infra.runtime.keys.directory import ServiceKey
from infra.runtime.telemetry.logs import get_logger
from ingest.answers import json_answer, unavailable
from ingest.ports import KeySource

log = get_logger(__name__)

FRESH_SECONDS = 10.0
ANSWER_SECONDS = 3.0


class KeysRoute:
    """Asks the source at most every 10 s, whether it answers or not, and serves the last copy while it doesn't."""

    def __init__(self, source: KeySource, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._source, self._monotonic = source, monotonic
        self._keys: Sequence[ServiceKey] | None = None
        self._asked_at: float | None = None
        self._lock = asyncio.Lock()

    async def get(self, _: web.Request) -> web.Response:
        async with self._lock:
            if self._asked_at is None or self._monotonic() - self._asked_at > FRESH_SECONDS:
                await self._refresh()
        if self._keys is None:
            raise unavailable("the keys can't be read now", "keys_unavailable")
        return json_answer({"keys": [key.as_json() for key in self._keys]})

    async def _refresh(self) -> None:
        self._asked_at = self._monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._keys = await self._source.load()
        except Exception as error:
            log.warning("Keys not refreshed", error=f"{type(error).__name__}: {error}")
            if self._keys is None:
                self._asked_at = None
