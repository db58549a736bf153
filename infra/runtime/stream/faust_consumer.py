"""A Faust Kafka consumer that commits by the ledger, reads partitions committed at 0 again, and leaves its group when stopped.

Every override is there for a loss, a hang or a stall that was seen with the stock parts (handbook, decision on Faust)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

from aiokafka.client import ConnectionGroup
from aiokafka.errors import CommitFailedError, MetadataEmptyBrokerList, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from infra.runtime.stream import lenient_records
from infra.runtime.stream.ledger import Ledger

lenient_records.install()


READ_SECONDS = 1.5
"""Shorter than a health check may take, so that no question is left behind when the next is asked."""


class Said(NamedTuple):
    """What is told with a commit: events done beyond it, and events that are being handled."""

    ahead: int
    running: int

    @property
    def metadata(self) -> str:
        return f"ahead={self.ahead} running={self.running}\0"


class Listener(driver.ConsumerRebalanceListener):
    """While stopping, take no part in a rebalance: the stock path closes the client and so never
    leaves the group, and the partitions stall for the session timeout."""

    _thread: LedgerThread

    def on_partitions_revoked(self, revoked: Any) -> Any:
        stopping = self._thread.app.should_stop or self._thread.consumer.left
        return asyncio.Event().wait() if stopping else super().on_partitions_revoked(revoked)


class LedgerThread(driver.AIOKafkaConsumerThread):
    """Commits (offset, "ahead=N running=M\\0"). confluent_kafka 2.16 reads metadata up to a NUL that Kafka doesn't send: without
    ours it raises UnicodeDecodeError or returns what lies behind in memory, further digits included."""

    consumer: LedgerConsumer

    def _create_worker_consumer(self, transport: Any) -> Any:
        """Stock's task that looks after the membership ends for good if it starts while the cluster names no broker, as one does
        that has just lost touch with its controller."""
        inner: Any = super()._create_worker_consumer(transport)
        client, look_up = inner._client, inner._client.coordinator_lookup

        async def once_there_are_brokers(*args: Any) -> Any:
            if not client.cluster.brokers():
                raise MetadataEmptyBrokerList("the cluster names no broker just now")  # is asked again
            return await look_up(*args)

        client.coordinator_lookup = once_there_are_brokers
        return inner

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Stock stays where it is if the commit is 0 or none; Faust drops what it fetches during a rebalance and counts on
        this seek to read it again: the first events of a partition were lost."""
        offsets: Mapping[TP, int] = await super().seek_to_committed()
        for tp in (tp for tp, offset in offsets.items() if not offset):
            await self.call_thread(self._seek_to_start, driver.ensure_aiokafka_TP(tp))
        return offsets

    async def _seek_to_start(self, tp: Any) -> None:
        self._ensure_consumer().seek(tp, 0)  # deleted already: out of range, so reset to the earliest

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:  # stock: metadata ""
        said, assigned = self.consumer.said, self.assignment()
        pairs = {
            driver.ensure_aiokafka_TP(tp): OffsetAndMetadata(offset, said[tp].metadata)
            for tp, offset in offsets.items()
            if tp in assigned
        }
        try:
            await self._ensure_consumer().commit(pairs)
        except Exception as exc:
            if not (isinstance(exc, CommitFailedError) and "already rebalanced" in str(exc)):
                await self.crash(exc)
            return False
        return True

    async def may_read(self) -> bool:
        """Whether the brokers let this process read its source, asked for one partition of its share."""
        inner = self._ensure_consumer()
        cluster = inner._client.cluster
        if cluster.unauthorized_topics:
            return False
        tp = min(inner.assignment(), default=None)
        if tp is None:  # more workers than partitions
            return True
        asked = FetchRequest(0, 0, 1, 0, [(tp.topic, [(tp.partition, 0, 1)])])
        # On the connection that fetches it would stand behind a fetch that waits for records.
        sent = inner._client.send(cluster.leader_for_partition(tp), asked, group=ConnectionGroup.COORDINATION)
        answer = await asyncio.wait_for(
            sent, READ_SECONDS
        )  # it has the group's own connection, where a rebalance may begin
        ((_, ((_, error, *_),)),) = answer.topics
        return bool(error != TopicAuthorizationFailedError.errno)


class LedgerConsumer(driver.Consumer):
    """Commits follow the ledger instead of Faust's ack lists and gap trees."""

    RebalanceListener = Listener

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ledger, self.last_read, deliver = Ledger(), time.monotonic(), self.callback
        self._read_to: dict[TP, int] = {}
        self.said: dict[TP, Said] = {}  # read together with the offset, before the commit changes threads
        self._sent: dict[TP, tuple[int, Said]] = {}
        self.revoked, self.left = False, False
        self._has_read = False

        async def tracked(message: Any) -> None:
            if message.generation_id == self.app.consumer_generation_id and not self.revoked:  # else: read again
                self.ledger.add(message.tp, message.offset)
                self.last_read = time.monotonic()
                await deliver(message)

        self.callback = tracked

    def fetch_state(self, tp: TP) -> Any:
        subscription = self._thread._ensure_consumer()._subscription.subscription
        return subscription and subscription.assignment and subscription.assignment.state_value(tp)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        # All records read before this call are in the ledger, so the positions are safe to commit.
        states = {tp: self.fetch_state(tp) for tp in self.assignment()}
        self._read_to = {tp: s._position for tp, s in states.items() if s and s._position is not None}
        return await super()._getmany(active_partitions, timeout)

    def ack(self, message: Any) -> bool:
        """Book-keeping only: Faust also acks events it skips, so acks do not move commits."""
        first, message.acked = not message.acked, True
        self._unacked_messages.discard(message)
        return first

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None: ...

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        tps = set() if self.left else self.assignment()  # a commit after leaving would pass as a stranger's
        return (tp for tp in tps if not topics or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        self.said[tp] = Said(self.ledger.ahead(tp), cast(Any, self.app).running(tp.partition))
        return self.ledger.committable(tp, self._read_to.get(tp))

    def _should_commit(self, tp: TP, offset: int) -> bool:
        """Also when only what is said with it changed, and once after every assignment: what the last owner said is void."""
        return (offset, self.said[tp]) != self._sent.get(tp) and offset >= (self._committed_offset[tp] or 0)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        sent = {tp: (offset, self.said[tp]) for tp, offset in offsets.items()}
        if done := await super()._commit(offsets):
            self._sent.update(sent)
        return done

    def _new_consumer_thread(self) -> LedgerThread:
        return LedgerThread(self, loop=self.loop, beacon=self.beacon)

    def verify_event_path(self, now: float, tp: TP) -> None: ...  # would call held partitions stuck

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.ledger.reset()  # the flow is stopped; reading restarts at the committed offsets
        self._read_to.clear()
        self._sent.clear()
        self.revoked = False
        await super().on_partitions_assigned(assigned, generation_id)

    async def may_read(self) -> bool:
        """Asked until it may, then taken for granted: who loses the right crashes with the next fetch."""
        if not self._has_read:
            thread = cast(LedgerThread, self._thread)
            self._has_read = bool(await thread.call_thread(thread.may_read))
        return self._has_read

    async def leave(self) -> None:
        """Not by way of the thread's queue of calls: in a rebalance commits stand there that wait for its end."""
        loop = cast(LedgerThread, self._thread).thread_loop
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._leave(), loop))

    async def _leave(self) -> None:
        self.left = True
        coordinator = self._thread._ensure_consumer()._coordinator
        coordinator._do_rejoin_group = lambda subscription: asyncio.Event().wait()
        if not coordinator._closing.done():
            coordinator._closing.set_result(None)
        client, node = self._thread._ensure_consumer()._client, coordinator.coordinator_id
        # On the group's own connection it would stand behind a JoinGroup, which is answered when all others have joined.
        group = ConnectionGroup.DEFAULT if self.app.rebalancing else ConnectionGroup.COORDINATION
        if node is not None and coordinator.generation > 0:
            await client.send(node, LeaveGroupRequest(coordinator.group_id, coordinator.member_id), group=group)
        coordinator.reset_generation()

    async def on_stop(self) -> None:  # stock commits once more, without a timeout
        self.transport._topic_waiters.clear()  # type: ignore[attr-defined]


class LedgerTransport(driver.Transport):
    Consumer = LedgerConsumer
