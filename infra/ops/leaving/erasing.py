"""Erases a tenant from PostgreSQL and Kafka. Each step may be done again, so a run that was cut off is simply run again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from infra.ops.leaving.ports import Records
from infra.ops.leaving.receipt import Partition, Receipt
from infra.runtime.kafka.topic_report import BrokersUnreachable
from sinks.postgres.audit_log import Change
from sinks.postgres.erasure import Begun, TenantErasure
from sinks.postgres.tenant_directory import ANSWER_SECONDS, POLL_SECONDS

KNOWN_EVERYWHERE = POLL_SECONDS + ANSWER_SECONDS
"""Seconds after which every process drops what it has of the tenant."""
QUIET_SECONDS = 3.0
"""A record on its way to Kafka when its writer heard of the erasure arrives within this."""
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.5
T = TypeVar("T")


class StillWritten(RuntimeError):
    """Somebody goes on writing to the tenant's partition."""


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds; tests have shorter ones."""

    known: float = KNOWN_EVERYWHERE
    quiet: float = QUIET_SECONDS
    patience: float = PATIENCE_SECONDS
    look: float = LOOK_SECONDS


@dataclass(frozen=True, slots=True)
class Erasing:
    """`say` tells a person what is being done. Raises what the stores raise, and StillWritten; then run it again."""

    rows: TenantErasure
    records: Records
    say: Callable[[str], None] = lambda _: None
    times: Times = Times()
    monotonic: Callable[[], float] = time.monotonic

    async def erase(self, tenant_id: str, change: Change) -> Receipt:
        partition = await self.rows.partition_of(tenant_id)
        extents = await asyncio.to_thread(self.records.extents, partition)
        begun = await self.rows.begin(tenant_id, extents, change)
        self.say(f"every process drops what it has of {tenant_id} within {self.times.known:.0f} s")
        await asyncio.sleep(self.times.known)
        self.say("deleting its rows")
        await self.rows.delete_rows(tenant_id)
        self.say(f"deleting the records of partition {partition} in every topic")
        topics = await self._empty(begun)
        await self.rows.delete_rows(tenant_id)  # of whoever was at it until now
        told = await self.rows.finish(tenant_id)
        receipt = Receipt(
            tenant_id=tenant_id,
            partition=partition,
            begun_at=begun.begun_at,
            finished_at=told.finished_at,
            runs=begun.runs,
            who=change.who,
            reason=change.reason,
            rows=told.deleted,
            kept=told.kept,
            topics=topics,
        )
        await self.rows.told(tenant_id, receipt.as_json()["sha256"], change)
        return receipt

    async def _empty(self, begun: Begun) -> dict[str, Partition]:
        """Deletes until nothing has come for a while: what a process had handed to its producer arrives late."""
        deadline, quiet_since = self.monotonic() + self.times.patience, self.monotonic()
        await self._patiently(self.records.delete, begun.partition, deadline)
        while True:
            extents = await self._patiently(self.records.extents, begun.partition, deadline)
            now = self.monotonic()
            if any(first != end for first, end in extents.values()):
                if now > deadline:
                    raise StillWritten(f"records keep coming to partition {begun.partition}")
                await self._patiently(self.records.delete, begun.partition, deadline)
                quiet_since = self.monotonic()
            elif now - quiet_since >= self.times.quiet:
                return {
                    topic: Partition(begun.records.get(topic, (first, end))[0], end, end - first)
                    for topic, (first, end) in extents.items()
                }
            await asyncio.sleep(self.times.look)

    async def _patiently(self, ask: Callable[[int], T], partition: int, deadline: float) -> T:
        """Asked again while the partition's leader is away."""
        while True:
            try:
                return await asyncio.to_thread(ask, partition)
            except BrokersUnreachable:
                if self.monotonic() > deadline:
                    raise
            await asyncio.sleep(self.times.look)
