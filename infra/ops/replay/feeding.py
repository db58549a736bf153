"""One tenant's events on their way into a stage's topic: at a rate, behind its live ones, until Kafka has them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from infra.ops.replay.ports import Publishes
from infra.ops.replay.standing_back import LiveLag
from infra.runtime.kafka.producer import PublishError
from infra.runtime.stream.retrying import jittered
from infra.runtime.telemetry import tracing
from schemas.events import Event

LOOK_SECONDS = 1.0
TELL_SECONDS = 10.0
PUBLISH_PATIENCE = 120.0

Tell = Callable[[str], None]


@dataclass(slots=True)
class TenantFeed:
    """`rate` in events a second. `tell` hears of pauses."""

    tenant_id: str
    rate: float
    publisher: Publishes
    lag: LiveLag
    tell: Tell
    fed: int = 0
    _looked_at: float = field(default=float("-inf"))
    _next_at: float = 0.0

    async def publish(self, event: Event, traceparent: str | None) -> None:
        """Waits its turn, then until Kafka acknowledges. Raises PublishError after two minutes without. `traceparent` is the
        original's: its trace goes on, or, where this process makes traces, one begins that links to it."""
        await self._turn()
        with tracing.entry("replay", tracing.Kind.INTERNAL, links=(traceparent,)) as span:
            span.about(event.tenant_id, event.ticket_id)
            await self._acknowledged(event, span.traceparent or traceparent)

    async def _acknowledged(self, event: Event, traceparent: str | None) -> None:
        topic, started, attempt = self.lag.stage.consumes, time.monotonic(), 0
        while True:
            try:
                await self.publisher.publish(event, topic=topic, partition=self.lag.partition, traceparent=traceparent)
            except PublishError:  # it may have been written all the same: the copy has the same id
                if time.monotonic() - started > PUBLISH_PATIENCE:
                    raise
                attempt += 1
                await asyncio.sleep(jittered(min(10.0, 0.5 * 2**attempt)))
            else:
                self.fed += 1
                return

    async def must_pause(self) -> bool:
        """Whether too much waits now; looked at once a second."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = now
        return bool((await self.lag.waiting()).too_much)

    async def until_quiet(self, on_pause: Callable[[], Awaitable[None]]) -> None:
        """Returns when little enough waits; `on_pause` is called each second until then."""
        told_at: float | None = None
        while reason := (await self.lag.waiting()).too_much:
            if told_at is None or time.monotonic() - told_at >= TELL_SECONDS:
                told_at = time.monotonic()
                self.tell(f"paused: {self.tenant_id} has {reason}")
            await on_pause()
            await asyncio.sleep(LOOK_SECONDS)
        self._looked_at = time.monotonic()
        if told_at is not None:
            self.tell(f"going on: {self.tenant_id}")

    async def _turn(self) -> None:
        """Evenly: no burst after a pause."""
        now = time.monotonic()
        wait = self._next_at - now
        self._next_at = max(now, self._next_at) + 1 / self.rate
        if wait > 0:
            await asyncio.sleep(wait)
