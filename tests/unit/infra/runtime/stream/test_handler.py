"""Outcomes carried out: what is published, set aside or held, whatever a stage or the world does meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any

import pytest

from infra.runtime.kafka.producer import PublishError
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.stream import handler as handler_module
from infra.runtime.stream import retrying as retrying_module
from infra.runtime.stream.admission import Admission
from infra.runtime.stream.fakes import (
    FixedLimits,
    KeptEvents,
    KeptFailures,
    KeptLetters,
    Limit,
    ManualClock,
    MemoryHolds,
)
from infra.runtime.stream.handler import EventHandler
from infra.runtime.stream.hold_book import HoldBook
from infra.runtime.stream.lanes import Done, Later, Verdict
from infra.runtime.stream.outcomes import DeadLetter, Drop, Emit, Hold, Outcome, Scope
from infra.runtime.stream.ports import HeldEvent
from infra.runtime.stream.record import Input, Position, RawRecord
from infra.runtime.stream.suspects import Suspects
from schemas.events import TicketEnriched
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from schemas.wire_format import Codec, TooLarge
from tests.unit.infra.runtime.stream.records import (
    PARTITION,
    TENANT,
    TRACE,
    KeyTable,
    NoJitter,
    raw,
    service_key,
    ticket_received,
    with_header,
)

Decision = Callable[[Input], Any]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (handler_module, retrying_module):
        monkeypatch.setattr(module, "jittered", lambda seconds: 0.001)


class World:
    """A handler of `enrich` among fakes. `decide` is called for every input and returns, or raises, what the stage would."""

    def __init__(self) -> None:
        self.clock, self.store = ManualClock(), MemoryHolds()
        self.publisher, self.letters, self.failed = KeptEvents(), KeptLetters(), KeptFailures()
        self.limits = FixedLimits(Limit(TENANT, PARTITION))
        self.keys = KeyTable(service_key("ingest")).directory(self.clock)
        self.holds = HoldBook("enrich", self.store, self.clock, random=NoJitter())
        self.inputs = list[Input]()
        self.decide: Decision = lambda _: Drop(Reason.UNCHANGED)
        self.owner = True
        admission = Admission(Topic.TICKETS_RECEIVED, self.keys, self.limits, Codec())
        self.suspects = Suspects("enrich", self.holds, self.store, self.clock)
        self.handler = EventHandler(
            Stage.ENRICH, self._process, admission, self.publisher, self.letters, self.holds, self.clock, self.failed,
            self.suspects,
        )  # fmt: skip

    async def _process(self, inputs: Input) -> Outcome:
        self.inputs.append(inputs)
        outcome = self.decide(inputs)
        if asyncio.iscoroutine(outcome):
            outcome = await outcome
        return outcome  # type: ignore[no-any-return]

    async def handle(self, record: RawRecord | None = None) -> Verdict:
        return await asyncio.wait_for(self.handler.handle(record or raw(), lambda: self.owner), 5)

    @property
    def failures(self) -> list[tuple[str, Reason]]:
        """Event ids and reasons that were told."""
        return [(event.event_id, reason) for event, reason, _ in self.failed.told]

    async def until_done(self, record: RawRecord | None = None, most: int = 100) -> int:
        """Run as lanes would, each time when it is due; how many tries it took."""
        for tries in range(1, most + 1):
            verdict = await self.handle(record)
            if isinstance(verdict, Done):
                return tries
            self.clock.advance(verdict.seconds)
        raise AssertionError(f"not done after {most} tries")


@pytest.fixture
async def world() -> World:
    world = World()
    await world.keys.refresh()
    return world


def enriched(inputs: Input, text: str = "") -> TicketEnriched:
    event = TicketEnriched.following(inputs.event, context=(), missing=(), took_ms={}, at=inputs.event.received_at)
    return replace(event, ticket=replace(event.ticket, description=text)) if text else event


def raising(error: BaseException) -> Decision:
    def decide(_: Input) -> Outcome:
        raise error

    return decide


async def nothing() -> None: ...


HOUR = 3600.0


async def test_emit_publishes_on_the_inputs_partition_and_then_runs_what_follows(world: World) -> None:
    order = list[str]()

    async def then() -> None:
        order.append(f"then, after {len(world.publisher.published)} published")

    world.decide = lambda inputs: Emit(enriched(inputs), then)
    assert await world.handle() == Done()
    (published,) = world.publisher.published
    assert (published.topic, published.partition, published.traceparent) == (Topic.TICKETS_ENRICHED, PARTITION, TRACE)
    assert published.event.input_id == "event-1"
    assert order == ["then, after 1 published"]
    assert world.letters.letters == []


async def test_drop_publishes_nothing_and_runs_what_follows(world: World) -> None:
    ran = list[int]()

    async def then() -> None:
        ran.append(1)

    world.decide = lambda _: Drop(Reason.UNCHANGED, then=then)
    assert await world.handle() == Done()
    assert (world.publisher.published, ran) == ([], [1])


async def test_drop_with_an_event_tells_readers_downstream(world: World) -> None:
    world.decide = lambda inputs: Drop(Reason.SUPERSEDED, event=enriched(inputs))
    assert await world.handle() == Done()
    assert len(world.publisher.published) == 1


@pytest.mark.parametrize("scope", Scope)
async def test_hold_comes_back_later_in_its_scope(world: World, scope: Scope) -> None:
    world.decide = lambda _: Hold(Reason.DESK_UNAVAILABLE, 30.0, scope)
    assert await world.handle() == Later(30.0, scope, inf if scope is Scope.LANE else None)
    await world.holds.flush()
    (held,) = world.store.rows.values()
    assert (held.reason, held.scope, held.ticket_id, held.event_id) == ("desk_unavailable", scope, "10042", "event-1")


async def test_a_held_event_is_not_run_before_it_is_due(world: World) -> None:
    world.decide = lambda _: Hold(Reason.DESK_UNAVAILABLE, 30.0)
    await world.handle()
    world.clock.advance(10)
    assert await world.handle() == Later(20.0, Scope.LANE, inf)
    assert len(world.inputs) == 1
    world.clock.advance(20)
    world.decide = lambda inputs: Emit(enriched(inputs))
    assert await world.handle() == Done()


@pytest.mark.parametrize(
    ("seconds", "kept"), [(1e300, 86400.0), (float("inf"), 86400.0), (float("nan"), 5.0), (-5, 5.0)]
)
async def test_no_retry_after_of_the_world_is_too_strange(world: World, seconds: float, kept: float) -> None:
    world.decide = lambda _: Hold(Reason.DESK_RATE_LIMITED, seconds)
    assert await world.handle() == Later(kept, Scope.LANE, inf)


async def test_what_was_held_or_waited_when_its_tenant_was_disabled_stays_held_until_it_is_enabled(
    world: World,
) -> None:
    world.decide = lambda _: Hold(Reason.DESK_UNAVAILABLE, 30.0)
    held, waits = raw(), raw(ticket_received(2, ticket_id="2"), offset=1)
    await world.handle(held)
    world.limits.limits = [Limit(TENANT, PARTITION, enabled=False)]
    world.clock.advance(31)
    world.decide = lambda inputs: Emit(enriched(inputs))
    for record in (held, waits):
        assert await world.handle(record) == Later(5.0, Scope.LANE)
        world.clock.advance(6)
    assert len(world.inputs) == 1 and world.publisher.published == []
    assert {row.reason for row in (await flushed(world)).values()} == {"tenant_disabled"}
    world.limits.limits = [Limit(TENANT, PARTITION)]
    assert [await world.handle(record) for record in (held, waits)] == [Done(), Done()]
    assert len(world.publisher.published) == 2 and await flushed(world) == {}


async def test_what_is_under_way_when_its_tenant_is_disabled_may_finish(world: World) -> None:
    """Its side effects may have happened: stopping it would only leave them unknown."""

    def disable(inputs: Input) -> Outcome:
        world.limits.limits = [Limit(TENANT, PARTITION, enabled=False)]
        return Emit(enriched(inputs))

    world.decide = disable
    assert await world.handle() == Done() and len(world.publisher.published) == 1


async def flushed(world: World) -> dict[Position, HeldEvent]:
    await world.holds.flush()
    return world.store.rows


async def test_a_stages_own_dead_letter_keeps_record_reason_and_trace(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "404: no such request")
    record = raw(offset=41)
    assert await world.handle(record) == Done()
    ((letter, partition),) = world.letters.letters
    assert partition == PARTITION
    assert (letter.reason, letter.error, letter.stage) == ("desk_refused", "404: no such request", "enrich")
    assert (letter.tenant_id, letter.ticket_id, letter.original_event_id) == (TENANT, "10042", "event-1")
    assert (letter.original_topic, letter.original_partition, letter.original_offset) == (
        "tickets.received",
        PARTITION,
        41,
    )
    assert (letter.original_key, letter.original_value) == (record.key, record.value)
    assert tuple((header.key, header.value) for header in letter.original_headers) == record.headers
    assert letter.trace_id == TRACE.split("-")[1]
    assert letter.attempts == 1


async def test_the_same_record_gives_the_same_dead_letter(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "no")
    for offset in (41, 41, 42):
        await world.handle(raw(offset=offset))
    first, again, other = (letter.event_id for letter, _ in world.letters.letters)
    assert first == again != other


async def test_a_record_that_is_not_ours_is_set_aside_under_no_tenant_and_never_reaches_the_stage(world: World) -> None:
    assert await world.handle(with_header(raw(), "ce_subject", b"10043")) == Done()
    ((letter, _),) = world.letters.letters
    assert (letter.reason, letter.tenant_id, letter.ticket_id) == ("bad_signature", "", "")
    assert (letter.original_event_id, letter.trace_id, world.inputs) == (None, None, [])


async def test_a_handler_that_raises_gets_two_more_tries_and_then_its_traceback_is_kept(world: World) -> None:
    world.decide = raising(ZeroDivisionError("the bug itself"))
    first, second = await world.handle(), None
    assert isinstance(first, Later) and first.scope is Scope.TICKET
    started = world.clock.now()
    world.clock.advance(first.seconds)
    second = await world.handle()
    assert isinstance(second, Later) and second.seconds > first.seconds
    world.clock.advance(second.seconds)
    assert await world.handle() == Done()
    assert len(world.inputs) == 3
    ((letter, _),) = world.letters.letters
    assert (letter.reason, letter.attempts, letter.tenant_id) == ("internal_error", 3, TENANT)
    assert "ZeroDivisionError: the bug itself" in letter.error and "in decide" in letter.error
    assert letter.first_failed_at == started
    assert letter.last_failed_at == started + timedelta(seconds=first.seconds + second.seconds)


async def test_a_handler_that_raises_twice_and_then_works_leaves_no_trace(world: World) -> None:
    faults = [ValueError("1"), ValueError("2")]

    def decide(inputs: Input) -> Outcome:
        if faults:
            raise faults.pop()
        return Emit(enriched(inputs))

    world.decide = decide
    assert await world.until_done() == 3
    assert (len(world.publisher.published), world.letters.letters, world.holds.count) == (1, [], 0)


async def test_tries_are_counted_by_event(world: World) -> None:
    world.decide = raising(ValueError())
    for offset in range(3):
        assert isinstance(await world.handle(raw(ticket_received(offset, ticket_id=str(offset)), offset=offset)), Later)
    assert world.letters.letters == []


async def test_what_is_no_outcome_is_a_bug_like_any_other(world: World) -> None:
    world.decide = lambda _: None
    assert await world.until_done() == 3
    ((letter, _),) = world.letters.letters
    assert letter.reason == "internal_error" and "NoneType" in letter.error


async def test_a_cancellation_that_leaks_from_inside_a_stage_is_a_bug_like_any_other(world: World) -> None:
    async def decide() -> Outcome:
        inner = asyncio.ensure_future(asyncio.sleep(60))
        inner.cancel()
        await inner
        raise AssertionError("unreachable")

    world.decide = lambda _: decide()
    assert await world.until_done() == 3
    assert [letter.reason for letter, _ in world.letters.letters] == ["internal_error"]


async def test_a_cancellation_of_the_handler_itself_is_obeyed(world: World) -> None:
    world.decide = lambda _: asyncio.sleep(60)
    task = asyncio.ensure_future(world.handler.handle(raw(), lambda: True))
    while not world.inputs:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.holds.count == 0


async def test_postgres_being_away_is_a_hold_and_never_a_dead_letter(world: World) -> None:
    world.decide = raising(PostgresUnavailable("connection refused"))
    for _ in range(10):
        verdict = await world.handle()
        assert isinstance(verdict, Later) and verdict.scope is Scope.LANE
        world.clock.advance(verdict.seconds)
    held = world.holds.find(raw().position)
    assert held is not None and (held.reason, held.attempts) == ("database_unavailable", 10)
    assert world.letters.letters == []


async def test_publishing_is_tried_until_kafka_acknowledges(world: World) -> None:
    world.decide = lambda inputs: Emit(enriched(inputs), nothing)
    world.publisher.failures = [PublishError("timed out")] * 5
    assert await world.handle() == Done()
    assert (world.publisher.calls, len(world.publisher.published), len(world.inputs)) == (6, 1, 1)


async def test_what_follows_waits_for_postgres_and_nothing_is_published_twice(world: World) -> None:
    faults = [PostgresUnavailable("away")] * 3

    async def then() -> None:
        if faults:
            raise faults.pop()

    world.decide = lambda inputs: Emit(enriched(inputs), then)
    assert await world.handle() == Done()
    assert (faults, len(world.publisher.published)) == ([], 1)


@pytest.mark.parametrize("where", ["publishing", "what follows"])
async def test_a_bug_behind_the_decision_stops_no_stage_either(world: World, where: str) -> None:
    async def then() -> None:
        if where == "what follows":
            raise KeyError("a bug")

    world.decide = lambda inputs: Emit(enriched(inputs), then)
    if where == "publishing":
        world.publisher.failures = [UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")] * 3
    assert await world.until_done() == 3
    ((letter, _),) = world.letters.letters
    assert letter.reason == "internal_error" and "Traceback" in letter.error and letter.tenant_id == TENANT


async def test_an_output_above_256_kib_is_a_dead_letter(world: World) -> None:
    world.publisher.failures = [TooLarge("300000 bytes, at most 262144 are allowed")]
    world.decide = lambda inputs: Emit(enriched(inputs))
    assert await world.handle() == Done()
    ((letter, _),) = world.letters.letters
    assert letter.reason == "too_large" and "300000 bytes" in letter.error
    assert world.publisher.published == []


async def test_nothing_is_published_set_aside_or_held_after_the_revoke(world: World) -> None:
    ran = list[int]()

    async def then() -> None:
        ran.append(1)

    def revoked_then(make: Callable[[Input], Outcome]) -> Decision:
        def decide(inputs: Input) -> Outcome:
            world.owner = False
            return make(inputs)

        return decide

    for make in (
        lambda inputs: Emit(enriched(inputs), then),
        lambda inputs: Drop(Reason.UNCHANGED, then=then),
        lambda _: DeadLetter(Reason.DESK_REFUSED, "no"),
        lambda _: Hold(Reason.DESK_UNAVAILABLE, 5.0),
    ):
        world.owner, world.decide = True, revoked_then(make)
        assert await world.handle() == Done()
    assert (world.publisher.calls, world.letters.letters, world.holds.count, ran) == (0, [], 0, [])


async def test_a_revoke_ends_the_tries_to_publish(world: World) -> None:
    world.decide = lambda inputs: Emit(enriched(inputs), nothing)

    world.publisher.failures = [PublishError("timed out")] * 99
    assert await world.handler.handle(raw(), lambda: world.publisher.calls < 3) == Done()
    assert world.publisher.calls == 3


async def test_the_dead_letter_is_tried_until_it_is_away_whatever_the_sink_raises(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "no")
    world.letters.failures = [PublishError("timed out"), RuntimeError("a bug in the sink"), OSError("reset")]
    assert await world.handle() == Done()
    assert len(world.letters.letters) == 1


async def test_an_error_text_that_is_no_unicode_still_gets_away(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "answered \ud800")
    await world.handle()
    ((letter, _),) = world.letters.letters
    assert Codec().decode(Codec().encode(letter), Topic.DEAD_LETTERS) == letter


async def test_a_record_above_1_mib_is_kept_by_hash_and_position(world: World) -> None:
    record = replace(raw(), value=b"x" * (1024 * 1024 + 1))
    await world.handle(record)
    ((letter, _),) = world.letters.letters
    assert (letter.original_value, letter.original_sha256) == (None, record.value_hash)


async def test_the_event_that_fails_alone_is_set_aside_with_its_five_attempts(world: World) -> None:
    world.decide = lambda inputs: (
        Hold(Reason.DESK_UNAVAILABLE, 1.0, Scope.TICKET) if inputs.event.ticket_id == "bad" else Emit(enriched(inputs))
    )
    bad = raw(ticket_received(99, ticket_id="bad"), offset=99)
    tries = 0
    for number in range(10):
        await world.handle(raw(ticket_received(number, ticket_id=str(number)), offset=number))
        tries += 1
        if isinstance(await world.handle(bad), Done):
            break
        world.clock.advance(1)
    ((letter, _),) = world.letters.letters
    assert (tries, letter.reason, letter.attempts) == (5, "fails_alone", 5)
    assert "desk_unavailable" in letter.error


async def test_what_was_dropped_is_no_sign_that_the_world_is_well(world: World) -> None:
    world.decide = lambda inputs: (
        Hold(Reason.DESK_UNAVAILABLE, 1.0, Scope.TICKET) if inputs.event.ticket_id == "bad" else Drop(Reason.DUPLICATE)
    )
    bad = raw(ticket_received(99, ticket_id="bad"), offset=99)
    for number in range(10):
        await world.handle(raw(ticket_received(number, ticket_id=str(number)), offset=number))
        assert isinstance(await world.handle(bad), Later)
        world.clock.advance(1)


LARGE = [TooLarge("300000 bytes, at most 262144 are allowed")]


@pytest.mark.parametrize(
    ("decide", "trouble", "reason", "said"),
    [
        (lambda _: DeadLetter(Reason.DESK_REFUSED, "no"), [], Reason.DESK_REFUSED, "no"),
        (lambda _: Hold(Reason.DESK_UNAVAILABLE, 7 * HOUR), [], Reason.HELD_TOO_LONG, "last held for desk_unavailable"),
        (raising(PostgresUnavailable("refused")), [], Reason.HELD_TOO_LONG, "last held for database_unavailable"),
        (raising(ZeroDivisionError("the bug itself")), [], Reason.INTERNAL_ERROR, "ZeroDivisionError: the bug itself"),
        (lambda inputs: Emit(enriched(inputs)), LARGE, Reason.TOO_LARGE, "300000 bytes"),
    ],
    ids=["the stage's own", "held too long", "database away", "internal error", "too large"],
)
async def test_a_dead_letter_of_a_decoded_event_is_told_once_it_is_away(
    world: World, decide: Decision, trouble: list[Exception], reason: Reason, said: str
) -> None:
    world.decide, world.publisher.failures = decide, list(trouble)
    while isinstance(verdict := await world.handle(), Later):
        world.clock.advance(max(verdict.seconds, 7 * HOUR if reason is Reason.HELD_TOO_LONG else 0))
    ((event, told, detail),) = world.failed.told
    assert (event, told) == (ticket_received(), reason)
    assert said in detail
    assert [letter.reason for letter, _ in world.letters.letters] == [reason.value]


async def test_a_disabled_tenants_event_that_was_held_too_long_is_told_too(world: World) -> None:
    world.limits.limits = [Limit(TENANT, PARTITION, enabled=False)]
    assert isinstance(await world.handle(), Later)
    world.clock.advance(25 * HOUR)
    assert await world.handle() == Done()
    assert world.failures == [("event-1", Reason.HELD_TOO_LONG)]


@pytest.mark.parametrize(
    "record",
    [
        with_header(raw(), "ce_subject", b"10043"),
        replace(raw(), value=b"garbage"),
        raw(partition=PARTITION + 1),
    ],
    ids=["altered", "garbage", "another's partition"],
)
async def test_a_record_that_proved_nothing_tells_nothing(world: World, record: RawRecord) -> None:
    world.limits.limits.append(Limit("msp-nordwind", PARTITION + 1))
    assert await world.handle(record) == Done()
    assert (len(world.letters.letters), world.failed.told) == (1, [])


async def test_what_is_told_waits_for_postgres_and_the_letter_is_sent_once(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "no")
    world.failed.failures = [PostgresUnavailable("away")] * 3
    assert await world.handle() == Done()
    assert world.failures == [("event-1", Reason.DESK_REFUSED)]
    assert len(world.letters.letters) == 1


async def test_a_revoke_leaves_the_telling_to_the_next_owner(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "no")
    world.failed.failures = [PostgresUnavailable("away")] * 99
    handled = await world.handler.handle(raw(), lambda: len(world.failed.failures) > 90)
    assert (handled, world.failed.told) == (Done(), [])
    world.failed.failures.clear()
    assert await world.handle() == Done()  # where it is redelivered
    assert world.failures == [("event-1", Reason.DESK_REFUSED)]


async def test_a_bug_in_the_telling_stops_no_stage(world: World) -> None:
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "no")
    world.failed.failures = [KeyError("a bug")]
    assert await world.handle() == Done()
    assert len(world.letters.letters) == 1


async def test_a_tenant_that_never_appears_ends_as_a_wrong_partition(world: World) -> None:
    world.limits.limits = []
    await world.until_done()
    ((letter, _),) = world.letters.letters
    assert letter.reason == "wrong_partition"


def died(world: World, deaths: int, record: RawRecord | None = None) -> None:
    world.suspects._remember((record or raw()).position, deaths)


async def test_what_was_running_at_three_deaths_is_set_aside_unprocessed_and_its_enhancement_closed(
    world: World,
) -> None:
    died(world, 3)
    assert await world.handle() == Done()
    ((letter, partition),) = world.letters.letters
    assert (letter.reason, letter.attempts, partition) == (Reason.CRASHES_WORKER.value, 3, PARTITION)
    assert (letter.tenant_id, letter.original_event_id) == (TENANT, "event-1")
    assert "died 3 times" in letter.error
    assert world.failures == [("event-1", Reason.CRASHES_WORKER)]
    assert not world.inputs
    assert world.suspects.deaths(raw().position) == 0


async def test_what_kills_even_then_is_set_aside_without_a_look(world: World) -> None:
    died(world, 4)
    assert await world.handle() == Done()
    ((letter, _),) = world.letters.letters
    assert (letter.reason, letter.tenant_id, letter.attempts) == (Reason.CRASHES_WORKER.value, "", 4)


@pytest.mark.parametrize("deaths", [1, 2])
async def test_after_fewer_deaths_it_is_handled_as_ever_and_forgotten_when_it_ends_well(
    world: World, deaths: int
) -> None:
    died(world, deaths)
    world.decide = lambda inputs: Emit(enriched(inputs))
    assert await world.handle() == Done()
    assert len(world.publisher.published) == 1
    assert world.suspects.deaths(raw().position) == 0


async def test_of_two_that_were_running_at_two_deaths_one_waits_for_the_other(world: World) -> None:
    first, second = raw(), replace(raw(), position=replace(raw().position, offset=99))
    died(world, 2, first)
    died(world, 2, second)
    going_on = asyncio.Event()

    async def wait(inputs: Input) -> Outcome:
        await going_on.wait()
        return Emit(enriched(inputs))

    world.decide = wait
    running = asyncio.create_task(world.handle(first))
    while not world.inputs:
        await asyncio.sleep(0)
    waits = await world.handle(second)
    assert isinstance(waits, Later) and waits.scope is Scope.TICKET
    going_on.set()
    assert await running == Done()
    assert await world.handle(second) == Done()


async def test_an_event_of_an_erased_tenant_leaves_no_trace_whatever_is_wrong_with_it(world: World) -> None:
    world.limits.erased = frozenset({PARTITION})
    world.limits.limits.clear()
    forged = with_header(raw(ticket_received()), "signature", b"ed25519;x;AAAA")

    assert [await world.handle(record) for record in (raw(ticket_received()), forged)] == [Done(), Done()]

    assert world.inputs == [] and world.publisher.published == [] and world.letters.letters == []
    await world.holds.flush()
    assert world.store.rows == {}


@pytest.mark.parametrize("outcome", ["emit", "dead letter", "hold", "raise"])
async def test_a_tenant_that_is_erased_while_its_event_is_handled_gets_no_output(world: World, outcome: str) -> None:
    def decide(inputs: Input) -> Outcome:
        world.limits.erased = frozenset({PARTITION})
        if outcome == "raise":
            raise ValueError("its rows are gone")
        if outcome == "hold":
            return Hold(Reason.DESK_UNAVAILABLE, 60.0)
        if outcome == "dead letter":
            return DeadLetter(Reason.DESK_REFUSED, "no")
        return Emit(
            TicketEnriched.following(inputs.event, context=(), missing=(), took_ms={}, at=inputs.event.received_at)
        )

    world.decide = decide

    assert await world.handle(raw(ticket_received())) == Done()

    assert world.publisher.published == [] and world.letters.letters == []
    await world.holds.flush()
    assert world.store.rows == {}


async def test_what_waits_for_kafka_is_given_up_once_its_tenant_is_erased(world: World) -> None:
    def fail(*_: object) -> None:
        world.limits.erased = frozenset({PARTITION})

    world.decide = lambda inputs: Emit(
        TicketEnriched.following(inputs.event, context=(), missing=(), took_ms={}, at=inputs.event.received_at),
        then=None,
    )
    world.publisher.failures = [PublishError("no acknowledgement")] * 3
    asyncio.get_running_loop().call_soon(fail)

    assert await world.handle(raw(ticket_received())) == Done()
    assert world.publisher.published == []
