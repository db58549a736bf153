"""One event from record to outcome, and the outcome carried out: publish, drop, hold, set aside."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from infra.runtime.clock import Clock
from infra.runtime.kafka.producer import PublishError
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.stream import telling
from infra.runtime.stream.admission import Admission, Rejected
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.lanes import Done, Later, Verdict
from infra.runtime.stream.letters import Failures, letter
from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold, Outcome, Scope
from infra.runtime.stream.ports import DeadLetterSink, FailedEvents
from infra.runtime.stream.record import Input, Position, RawRecord
from infra.runtime.stream.retrying import jittered, persist
from infra.runtime.stream.suspects import DEATHS_BEFORE_DEAD_LETTER, TURN_SECONDS, Suspects
from infra.runtime.telemetry import metrics
from infra.runtime.telemetry.logs import get_logger
from schemas.envelope import Envelope, peek
from schemas.events import Event
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from schemas.wire_format import TooLarge

log = get_logger(__name__)

Process = Callable[[Input], Awaitable[Outcome]]
Current = Callable[[], bool]
RAISES_BEFORE_DEAD_LETTER = 3
DATABASE_RETRY = 2.0
MAX_TRACKED_RAISES = 10_000


class Publishes(Protocol):
    def publish(
        self, event: Any, *, topic: Topic, partition: int, traceparent: str | None = None
    ) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class _Decision:
    """`envelope` is there where the signature proved it, `event` where it was decoded too."""

    outcome: Outcome
    envelope: Envelope | None = None
    event: Event | None = None


@dataclass(slots=True)
class EventHandler:
    """Carries out a stage's decisions. `handle` never raises but for cancellation: one bad event stops nothing."""

    stage: Stage
    process: Process
    admission: Admission
    publisher: Publishes
    dead_letters: DeadLetterSink
    holds: HoldBook
    clock: Clock
    failed_events: FailedEvents | None = None
    suspects: Suspects | None = None
    _raised: dict[Position, tuple[int, datetime]] = field(default_factory=dict)
    _began: dict[Position, float] = field(default_factory=dict)

    async def handle(self, record: RawRecord, current: Current) -> Verdict:
        """`current()` turns false when the record's partition is revoked: nothing may be published from then on, since
        another worker has the record now."""
        if self._is_erased(record):
            return self._drop_erased(record)
        verdict = await self._unless_it_waits(record, lambda: current() and not self._is_erased(record))
        return self._drop_erased(record) if self._is_erased(record) and current() else verdict

    def _is_erased(self, record: RawRecord) -> bool:
        return record.position.partition in self.admission.limits.erased

    def _drop_erased(self, record: RawRecord) -> Verdict:
        """Before anything else is looked at: whatever is wrong with it or with the world, it may leave no trace."""
        self._settle(record, Drop(Reason.TENANT_ERASED), None)
        return Done()

    async def _unless_it_waits(self, record: RawRecord, current: Current) -> Verdict:
        started = time.monotonic()
        tenant, ticket = _claimed_tenant(record), peek(record.headers, "ce_subject")
        if waiting := await self.holds.waiting_for(tenant, record.position, ticket):
            return Later(*waiting)
        if self.suspects is None:
            return await self._handle(record, current, started)
        if self.suspects.must_wait(record.position):
            return Later(jittered(TURN_SECONDS), Scope.TICKET)
        with self.suspects.running(record):
            return await self._handle(record, current, started)

    async def _handle(self, record: RawRecord, current: Current, started: float) -> Verdict:
        deaths = self.suspects.deaths(record.position) if self.suspects else 0
        killer = deaths >= DEATHS_BEFORE_DEAD_LETTER
        self._began[record.position] = started
        try:
            with telling.one_try(record, self.stage, self._attempt(record.position)):
                decision = await (self._kills(record, deaths) if killer else self._decide(record))
                if not current():
                    telling.left_to_its_next_owner()
                    return Done()  # of no consequence here: the next owner decides
                metrics.handling_seconds(self.stage.value).observe(time.monotonic() - started)
                return await self._carry_out(record, decision, current)
        finally:
            self._began.pop(record.position, None)

    async def _decide(self, record: RawRecord) -> _Decision:
        envelope: Envelope | None = None
        event: Event | None = None
        try:
            admitted = await self.admission.admit(record)
            if isinstance(admitted, Rejected):
                return _Decision(admitted.outcome, admitted.envelope, admitted.event)
            envelope, event = _envelope_of(admitted), admitted.event
            attempt, now = self._attempt(record.position), self.clock.now()
            telling.started(record, self.stage, envelope, attempt=attempt, now=now)
            outcome = await self.process(admitted)
            if not isinstance(outcome, Outcome):
                raise TypeError(f"the stage's process returned {type(outcome).__name__}, which is no outcome")
            return _Decision(outcome, envelope, event)
        except UNAVAILABLE as error:
            return _Decision(_database_away(error), envelope, event)
        except (Exception, asyncio.CancelledError):
            return _Decision(self._raise_counted(record, envelope), envelope, event)

    async def _kills(self, record: RawRecord, deaths: int) -> _Decision:
        """It isn't processed again; at one more death it isn't even looked at, which may be what kills."""
        letter = DeadLetter(
            Reason.CRASHES_WORKER,
            f"a worker died {deaths} times while it handled this event, the last time with no other such event beside it. "
            "Look in the log of the stage for what ended the process, and replay the event once that is mended.",
        )
        if deaths > DEATHS_BEFORE_DEAD_LETTER:
            return _Decision(letter)
        admitted = await self.admission.admit(record)
        if isinstance(admitted, Rejected):
            return _Decision(admitted.outcome, admitted.envelope, admitted.event)
        return _Decision(letter, _envelope_of(admitted), admitted.event)

    def _raise_counted(self, record: RawRecord, envelope: Envelope | None) -> Hold | DeadLetter:
        """A bug, or bad luck: two more tries, then set aside with the traceback."""
        _raise_if_cancelled()
        text = traceback.format_exc()
        count, first = self._raised.get(record.position, (0, self.clock.now()))
        if len(self._raised) >= MAX_TRACKED_RAISES:
            self._raised.clear()
        self._raised[record.position] = (count + 1, first)
        log.error(
            "handler raised", stage=self.stage.value, tenant_id=envelope.tenant_id if envelope else "",
            ticket_id=envelope.subject if envelope else "", event_id=envelope.id if envelope else "",
            attempt=count + 1, traceback=text,
        )  # fmt: skip
        if count + 1 < RAISES_BEFORE_DEAD_LETTER:
            return Hold(Reason.RETRY, 0.5 * 2**count, Scope.TICKET, text.strip().rsplit("\n", 1)[-1])
        return DeadLetter(Reason.INTERNAL_ERROR, text)

    async def _carry_out(self, record: RawRecord, decision: _Decision, current: Current) -> Verdict:
        outcome, envelope = decision.outcome, decision.envelope
        if isinstance(outcome, Emit | Drop):
            failed = await self._finish(record, outcome, envelope, current)
            if failed is None:
                return Done()
            outcome = failed
        attempts_so_far = 1
        if isinstance(outcome, Hold):
            held = self._hold(record, outcome, envelope)
            if isinstance(held, Later):
                return held
            outcome, attempts_so_far = held, 0  # this try is in the book already
        failures = self._failures(record.position, attempts_so_far)
        away = await self._set_aside(record, outcome, envelope, failures, current)
        if away and await self._told(decision.event, outcome, current):
            self._settle(record, outcome, envelope)
        return Done()

    async def _finish(
        self, record: RawRecord, outcome: Emit | Drop, envelope: Envelope | None, current: Current
    ) -> Hold | DeadLetter | None:
        """Publish and settle; what has become of the event instead, if it can't be."""
        try:
            if await self._publish(record, outcome, envelope, current):
                self._settle(record, outcome, envelope)
        except TooLarge as error:
            return DeadLetter(Reason.TOO_LARGE, f"what follows from this event is too large: {error}")
        except (Exception, asyncio.CancelledError):
            return self._raise_counted(record, envelope)
        return None

    def _hold(self, record: RawRecord, hold: Hold, envelope: Envelope | None) -> Later | DeadLetter:
        tenant = envelope.tenant_id if envelope else _claimed_tenant(record)
        if hold.reason is not Reason.RETRY:
            self._raised.pop(record.position, None)
        held = self.holds.held(
            hold,
            tenant_id=tenant,
            position=record.position,
            ticket_id=envelope.subject if envelope else peek(record.headers, "ce_subject"),
            event_id=envelope.id if envelope else "",
        )
        waiting = self.holds.waiting(held)
        self._count(tenant if envelope else "", "hold", hold.reason)
        telling.held(self.stage, tenant, hold, held, waiting.seconds)
        if reason := self.holds.given_up(held):
            return DeadLetter(reason, f"last held for {hold.reason}: {hold.detail}")
        return Later(*waiting)

    async def _publish(
        self, record: RawRecord, outcome: Emit | Drop, envelope: Envelope | None, current: Current
    ) -> bool:
        if outcome.event is not None:
            traceparent = envelope.traceparent if envelope else None
            partition, event = record.position.partition, outcome.event

            async def publish() -> None:
                await self.publisher.publish(
                    event, topic=self.stage.produces, partition=partition, traceparent=traceparent
                )

            if not await self._until_acknowledged(publish, current):
                return False
        if outcome.then is not None:
            return await self._until_available(outcome.then, current)
        return True

    async def _set_aside(
        self, record: RawRecord, outcome: DeadLetter, proven: Envelope | None, failures: Failures, current: Current
    ) -> bool:
        """Until the dead letter is away, whatever the sink raises: nothing else could be done with the event."""
        item = letter(record, outcome, stage=self.stage, proven=proven, failures=failures)
        return await persist(
            lambda: self.dead_letters.send(item, record.position.partition),
            (Exception,), current, "dead letter not away yet: trying again",
        )  # fmt: skip

    async def _told(self, event: Event | None, outcome: DeadLetter, current: Current) -> bool:
        """What is kept about the event elsewhere. False if the partition was revoked meanwhile: the next owner tells it then."""
        if event is None or self.failed_events is None:
            return True
        telling = partial(self.failed_events.failed, event, outcome.reason, outcome.detail)
        try:
            return await self._until_available(telling, current)
        except (Exception, asyncio.CancelledError):
            _raise_if_cancelled()
            log.error(
                "failure not noted down", stage=self.stage.value, tenant_id=event.tenant_id, ticket_id=event.ticket_id,
                event_id=event.event_id, reason=outcome.reason.value, traceback=traceback.format_exc(),
            )  # fmt: skip
            return True

    def _attempt(self, position: Position) -> int:
        """The how-many-th try this is, as far as is known here."""
        if held := self.holds.find(position):
            return held.attempts + 1
        return self._raised.get(position, (0, None))[0] + 1

    def _failures(self, position: Position, further: int) -> Failures:
        """`further` is 1 if the failure at hand isn't in the book of holds."""
        now, deaths = self.clock.now(), self.suspects.deaths(position) if self.suspects else 0
        if held := self.holds.find(position):
            return Failures(max(held.attempts + further, deaths), held.first_failed_at, now)
        count, first = self._raised.get(position, (1, now))
        return Failures(max(count, deaths), first, now)

    async def _until_acknowledged(self, send: Callable[[], Awaitable[None]], current: Current) -> bool:
        """Try until Kafka has it; false if the partition was revoked meanwhile."""
        return await persist(send, (PublishError,), current, "Kafka doesn't acknowledge: trying again")

    async def _until_available(self, then: Callable[[], Awaitable[None]], current: Current) -> bool:
        return await persist(then, UNAVAILABLE, current, "PostgreSQL is away after publishing: trying again")

    def _settle(self, record: RawRecord, outcome: Emit | Drop | DeadLetter, envelope: Envelope | None) -> None:
        tenant = envelope.tenant_id if envelope else ""
        self._raised.pop(record.position, None)
        if self.suspects:
            self.suspects.settled(record.position)
        # What was dropped is no proof that the world is well: a drop may have asked nobody.
        self.holds.settled(record.position, _claimed_tenant(record), succeeded=isinstance(outcome, Emit))
        kind, _ = telling.outcome_of(outcome)
        self._count(tenant, kind, None if isinstance(outcome, Emit) else outcome.reason)
        if record.read_before or (isinstance(outcome, Emit | Drop) and outcome.repeated):
            metrics.EVENTS_REDELIVERED.labels(self.stage.value).inc()
        if isinstance(outcome, DeadLetter):
            metrics.count_failed(self.stage, tenant, outcome.reason)
        began = self._began.get(record.position)
        telling.completed(self.stage, outcome, envelope, None if began is None else time.monotonic() - began)

    def _count(self, tenant_id: str, outcome: str, reason: Reason | None) -> None:
        metrics.handled(self.stage.value, tenant_id, outcome, reason.value if reason else "").inc()


def _raise_if_cancelled() -> None:
    """In an `except`: the runner's own wish is obeyed; a cancellation that leaks from inside is a bug like any other."""
    if (task := asyncio.current_task()) and task.cancelling():
        raise


def _database_away(error: BaseException) -> Hold:
    return Hold(Reason.DATABASE_UNAVAILABLE, jittered(DATABASE_RETRY), Scope.LANE, repr(error))


def _envelope_of(inputs: Input) -> Envelope:
    event = inputs.event
    return Envelope(event.event_id, "", "", event.ticket_id, "", event.tenant_id, inputs.traceparent)


def _claimed_tenant(record: RawRecord) -> str:
    """The key's text: unproven, good only for book-keeping."""
    return (record.key or b"")[:128].decode("utf-8", "replace")
