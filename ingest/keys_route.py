"""`GET /keys`: the public keys of all services, for analysts who check signatures. A copy; no process trusts it."""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from infra.runtime.keys.directory import ServiceKey
from infra.runtime.telemetry.logs import get_logger
from ingest.answers import json_answer, unavailable
from ingest.ports import KeySource
from schemas.envelope import rfc3339

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
        return json_answer({"keys": [_as_json(key) for key in self._keys]})

    async def _refresh(self) -> None:
        self._asked_at = self._monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._keys = await self._source.load()
        except Exception as error:
            log.warning("Keys not refreshed", error=f"{type(error).__name__}: {error}")
            if self._keys is None:
                self._asked_at = None


def _as_json(key: ServiceKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "service": key.service,
        "topics": list(key.topics),
        "public_key": b64encode(key.public_key).decode(),
        "not_before": rfc3339(key.not_before),
        "not_after": _time(key.not_after),
        "revoked_at": _time(key.revoked_at),
    }


def _time(at: datetime | None) -> str | None:
    return rfc3339(at) if at else None
