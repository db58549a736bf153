"""Feeds one topic through the lanes: reads within a window per partition, never commits past what isn't handled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, NamedTuple, cast

from faust.types import TP

from infra.runtime.stream.faust_app import StreamApp
from infra.runtime.stream.lanes import Done, Lanes, Verdict
from infra.runtime.stream.ports import TenantLimits
from infra.runtime.stream.record import Position, RawRecord
from infra.runtime.telemetry.logs import get_logger
from schemas.envelope import peek

log = get_logger(__name__)

LEAST_WINDOW = 64
WINDOW_PER_CAP = 8
MAX_WAITING_BYTES = 16 * 1024 * 1024
LOG_APPEND_TIME = 1
CAP_OF_NOBODY = 1
"""Records on a partition that no known tenant owns are looked at one by one."""


class Job(NamedTuple):
    stream: Any
    event: Any
    record: RawRecord
    epoch: int


Handle = Callable[[RawRecord, Callable[[], bool]], Awaitable[Verdict]]


class Feeder:
    """A lane is a partition, since a partition is a tenant. With `detach` a revoke leaves running handlers alone, else they get
    the app's drain time. Handlers never publish after a revoke: `current()` has turned false."""

    def __init__(self, app: StreamApp, handle: Handle, limits: TenantLimits, *, slots: int, detach: bool) -> None:
        self._app, self._handle_record, self._limits = app, handle, limits
        self._slots, self._detach, self._epoch = slots, detach, 0
        self._waiting_bytes: defaultdict[TP, int] = defaultdict(int)
        self._read_to: defaultdict[TP, int] = defaultdict(int)  # of every partition that it ever had
        self.full: set[TP] = set()
        self.on_revoke: Callable[[], None] = lambda: None
        app.feeders += (self,)

    @cached_property
    def lanes(self) -> Lanes[Job]:  # made on the event loop
        return Lanes(self._run, self._finished, self._failed, cap=self._cap, slots=self._slots)

    async def consume(self, stream: Any) -> None:
        """The Faust agent's body."""
        stream = stream.noack()
        async for event in stream.events():
            message = event.message
            if message.generation_id != self._app.consumer_generation_id or self._consumer.revoked:
                continue  # it will be delivered again
            tp = TP(message.topic, message.partition)
            record = _raw(message, read_before=message.offset < self._read_to[tp])
            self._read_to[tp] = max(self._read_to[tp], message.offset + 1)
            self._waiting_bytes[tp] += record.size
            self.lanes.put(
                Job(stream, event, record, self._epoch), str(tp.partition), peek(record.headers, "ce_subject"), tp
            )
            if tp in self.full or self._is_full(tp):
                self.full.add(tp)
                self._consumer.on_buffer_full(tp)  # every time: Faust's own queue pressure may have resumed it

    async def revoke(self, drain: float) -> None:
        self._epoch += self._detach
        await self.lanes.revoke(drain=None if self._detach else drain)
        self._epoch += not self._detach
        self.full.clear()
        self._waiting_bytes.clear()
        self.on_revoke()

    def counts(self) -> tuple[int, int, int]:
        """Events that wait, run and are held."""
        lanes = self.lanes.counts().values()
        return sum(c["waiting"] for c in lanes), sum(c["running"] for c in lanes), sum(c["held"] for c in lanes)

    def running(self, partition: int) -> int:
        """How many of its events are being handled, detached ones included."""
        return self.lanes.running(str(partition))

    def committed(self, position: Position) -> int | None:
        """The first offset of its partition that isn't handled."""
        found: int | None = self._consumer.ledger.committable(TP(position.topic, position.partition))
        return found

    def reopen(self, partition: int) -> None:
        """A hold of this lane may be over: one event of it tries now."""
        self.lanes.reopen(str(partition))

    def release(self, partition: int) -> None:
        """Whatever holds this lane no longer matters: all of it runs now."""
        self.lanes.release(str(partition))

    @property
    def _consumer(self) -> Any:
        return cast(Any, self._app.consumer)

    def _cap(self, lane: str) -> int:
        limit = self._limits.of_partition(int(lane))
        return limit.max_concurrent_jobs if limit else CAP_OF_NOBODY

    def _is_full(self, tp: TP) -> bool:
        return self._consumer.ledger.span(tp) >= self._window(tp) or self._too_many_bytes(tp, MAX_WAITING_BYTES)

    def _has_room(self, tp: TP) -> bool:
        within = self._consumer.ledger.span(tp) <= self._window(tp) // 2
        return within and not self._too_many_bytes(tp, MAX_WAITING_BYTES // 2)

    def _window(self, tp: TP) -> int:
        return max(LEAST_WINDOW, WINDOW_PER_CAP * self._cap(str(tp.partition)))

    def _too_many_bytes(self, tp: TP, limit: int) -> bool:
        """Above the limit only those wait that hold more than their share: a tenant that is held must not stop the others."""
        waiting = self._waiting_bytes
        return sum(waiting.values()) > limit and waiting[tp] * len(self._consumer.assignment()) > limit

    async def _run(self, job: Job) -> Verdict:
        verdict = await self._handle_record(job.record, partial(self._current, job))
        if isinstance(verdict, Done) and self._current(job):
            await job.stream.ack(job.event)  # for Faust's sensors; commits go by the ledger
        return verdict

    def _current(self, job: Job) -> bool:
        return job.epoch == self._epoch

    def _finished(self, job: Job) -> None:
        position = job.record.position
        tp = TP(position.topic, position.partition)
        self._waiting_bytes[tp] = max(0, self._waiting_bytes[tp] - job.record.size)
        self._consumer.ledger.done(tp, position.offset)
        for candidate in list(self.full):
            if self._has_room(candidate):
                self.full.discard(candidate)
                self._consumer.on_buffer_drop(candidate)

    def _failed(self, job: Job, error: BaseException) -> None:
        """The handler catches everything, so this is a bug in the runner itself: stop, and have the event redelivered."""
        log.error("the runner failed on an event: stopping", error=repr(error), position=str(job.record.position))
        self._app.loop.create_task(self._app.crash(error))


def _raw(message: Any, *, read_before: bool) -> RawRecord:
    headers = message.headers or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return RawRecord(
        Position(message.topic, message.partition, message.offset),
        message.key,
        message.value,
        tuple((str(k), v) for k, v in pairs),
        datetime.fromtimestamp(message.timestamp, UTC) if message.timestamp_type == LOG_APPEND_TIME else None,
        read_before,
    )
