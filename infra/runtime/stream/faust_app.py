"""The Faust app that a stage runs in: our consumer, bounded waits on revoke and stop, and settings that are known to hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from typing import Any, Protocol

import faust

from infra.runtime.stream.assignor import TenantAssignor
from infra.runtime.stream.faust_consumer import LedgerTransport
from infra.runtime.telemetry.logs import get_logger

log = get_logger(__name__)

A_YEAR = 3.15e7
SESSION_TIMEOUT = 10.0
RECORDS_A_POLL = 100
"""A partition whose window is full still gets what was polled with it. A compressed batch can hold thousands."""


class Revocable(Protocol):
    async def revoke(self, drain: float) -> None: ...
    def running(self, partition: int) -> int: ...


class StreamApp(faust.App):
    """`feeders` are what is told of a revoke before the last commit."""

    drain_timeout, commit_timeout = 3.0, 2.0
    feeders: tuple[Revocable, ...] = ()
    leaving = False

    def _new_transport(self) -> Any:
        return LedgerTransport(self.conf.broker_consumer, self)

    def running(self, partition: int) -> int:
        """How many of the partition's events are being handled here, detached ones included."""
        return sum(feeder.running(partition) for feeder in self.feeders)

    async def _bounded(self, what: str, work: Awaitable[Any]) -> bool:
        try:
            await asyncio.wait_for(work, self.commit_timeout)
        except TimeoutError:
            log.warning(f"{what} timed out; uncommitted events will be redelivered")
            return False
        return True

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """On revoke and on stop. Stock waits for ever, and commits without a time limit."""
        if consumer.left:
            return
        consumer.revoked = True
        await asyncio.gather(*(feeder.revoke(self.drain_timeout) for feeder in self.feeders))
        reachable = await self._bounded("commit", consumer.commit_and_end_transactions())
        consumer._unacked_messages.clear()
        if (self.leaving or self.should_stop) and reachable:
            await self._bounded("leaving the group", consumer.leave())

    async def _producer_flush(self, logger: Any) -> None:
        await self._bounded("producer flush", super()._producer_flush(logger))


def stream_app(group: str, kafka: dict[str, Any]) -> StreamApp:
    """`kafka` is `broker` and `broker_credentials`. The reasons for each setting stand in the handbook's decision on Faust."""
    return StreamApp(
        group,
        **kafka,
        datadir=tempfile.mkdtemp(prefix="ticketstream-"),
        store="memory://",
        PartitionAssignor=TenantAssignor,
        value_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        table_standby_replicas=0,
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_TIMEOUT,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=15.0,
        broker_max_poll_interval=A_YEAR,
        broker_max_poll_records=RECORDS_A_POLL,
        consumer_max_fetch_size=64 * 1024,
        consumer_metadata_max_age_ms=10_000,
        stream_buffer_maxsize=4096,
    )
