"""Keeps the view: a look every two seconds, and what is known of it since."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from infra.ops.lag.brokers import LagUnknown
from infra.ops.lag.metrics import REFRESH_FAILURES, REFRESH_SECONDS
from infra.ops.lag.reading import FromKafka, FromPostgres, Viewing
from infra.ops.lag.view import LagView, StageLag
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.telemetry.logs import get_logger
from schemas.topics import Stage

log = get_logger(__name__)

LOOK_SECONDS = 2.0
LONGEST_LOOK_SECONDS = 12.0
STALE_SECONDS = 15.0
"""A view that is older says nothing any more."""


class Kafka(Protocol):
    async def read(self) -> FromKafka: ...


@dataclass(frozen=True, slots=True)
class Known:
    """A view and when each half of it was read, monotonic. `seen_at` is when it was put together, in Unix seconds."""

    view: LagView = field(default_factory=lambda: LagView({}))
    kafka_at: float = -inf
    postgres_at: float = -inf
    seen_at: float = 0.0


class NotKnown(Exception):
    """Says why."""


class LagWatch:
    """`postgres` may raise one of UNAVAILABLE: the tenants and holds that were read last then go on until they are stale."""

    def __init__(
        self, kafka: Kafka, postgres: Callable[[], Awaitable[FromPostgres]], viewing: Viewing, *,
        monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._kafka, self._postgres, self._viewing = kafka, postgres, viewing
        self._monotonic, self._wall = monotonic, wall
        self._from_postgres: FromPostgres | None = None
        self._known = Known()
        self._why = "nothing was read yet"
        self.looked_at = monotonic()

    @property
    def known(self) -> Known:
        """As last put together; read by other threads, so it is replaced and never changed."""
        return self._known

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            began = self._monotonic()
            try:
                await self.look()
            except Exception as error:  # a mistake of ours, or tables of another version: the next look may be better
                log.exception("Lag not refreshed")
                self._failed("internal", f"{type(error).__name__}: {error}")
            await asyncio.sleep(max(0.0, LOOK_SECONDS - (self._monotonic() - began)))

    async def look(self) -> None:
        """One look; never raises for what is away."""
        self.looked_at = self._monotonic()
        with REFRESH_SECONDS.time():
            try:
                async with asyncio.timeout(LONGEST_LOOK_SECONDS):
                    kafka, all_read = await asyncio.gather(self._kafka.read(), self._read_postgres())
            except LagUnknown as error:
                self._failed(error.reason, f"{error}: {error.cure}")
                return
            except TimeoutError:
                self._failed("timeout", f"a look took longer than {LONGEST_LOOK_SECONDS:.0f} s")
                return
        if self._from_postgres is None:
            return
        view = self._viewing.view(kafka, self._from_postgres)
        for unknown in kafka.offsets.unknown.values():
            REFRESH_FAILURES.labels(unknown.reason).inc()
        if kafka.offsets.unknown:
            self._tell(
                "group", "; ".join(f"{stage}: {why}: {why.cure}" for stage, why in kafka.offsets.unknown.items())
            )
        elif all_read:
            self._why = ""
        self._known = Known(view, kafka.at, self._from_postgres.at, self._wall())

    def lag(self) -> tuple[LagView | None, str]:
        """The view if it isn't stale, with what is wrong. Tenants and holds may be older than the lags."""
        known = self._known
        if self._monotonic() - known.kafka_at > STALE_SECONDS:
            return None, self._why or "the view is older than 15 s"
        held_are_old = self._monotonic() - known.postgres_at > STALE_SECONDS
        return known.view, "what is held isn't known: PostgreSQL doesn't answer" if held_are_old else ""

    def stage(self, stage: Stage) -> StageLag:
        """Raises NotKnown where the stage's group can't be read, or the view, or a part of it, is older than 15 s."""
        view, wrong = self.lag()
        if view is None or wrong:
            raise NotKnown(wrong)
        if stage not in view.stages:
            raise NotKnown(view.unknown.get(stage, "its group wasn't read"))
        return view.stages[stage]

    async def _read_postgres(self) -> bool:
        try:
            self._from_postgres = await self._postgres()
            return True
        except UNAVAILABLE as error:
            self._failed("postgres", f"PostgreSQL doesn't answer ({type(error).__name__})")
            return False

    def _failed(self, reason: str, why: str) -> None:
        REFRESH_FAILURES.labels(reason).inc()
        self._tell(reason, why)

    def _tell(self, reason: str, why: str) -> None:
        """Once, as long as it stays the same."""
        if why != self._why:
            log.warning("Lag not refreshed", reason=reason, error=why)
        self._why = why
