"""The decision of synthesize, on the fakes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.stream.outcomes import Drop, Emit, Hold, Outcome, Scope
from processors.synthesize import metrics
from processors.synthesize.author import Author
from processors.synthesize.fakes import (
    FakeAnswerStore,
    FakeEnhancements,
    FakeTenantChoices,
    FakeTenants,
    FakeWriter,
)
from processors.synthesize.patience import Patience
from processors.synthesize.processor import Stores, process
from processors.synthesize.writer.builtin import BuiltinWriter
from processors.synthesize.writer.writer import WriterUnavailable, Written
from schemas.events import EnhancementSynthesized, TicketEnriched, Usage, Writer
from schemas.reasons import Reason
from sinks.postgres.answers import Ours
from tests.unit.processors.synthesize.examples import NOW, TENANT, ManualClock, enriched

MODELS = Written("## Steps\n", (), Writer.MODEL, "gpt-4-turbo", "note-1", Usage(900, 300, 0.018))
NO_MODEL = FakeTenantChoices(external_model=False)
AWAY = WriterUnavailable(Reason.MODEL_UNAVAILABLE, 5.0, "no answer within 30 s")


@dataclass
class Room:
    """Synthesize with fakes all around."""

    clock: ManualClock = field(default_factory=ManualClock)
    model: FakeWriter = field(default_factory=lambda: FakeWriter([MODELS]))
    enhancements: FakeEnhancements = field(default_factory=FakeEnhancements)
    choices: FakeTenantChoices | None = field(default_factory=FakeTenantChoices)

    def __post_init__(self) -> None:
        self.answers = FakeAnswerStore(self.clock)
        self.author = Author(model=self.model, builtin=BuiltinWriter(), patience=Patience(), clock=self.clock)

    async def process(self, event: TicketEnriched) -> Outcome:
        return await process(
            event,
            stores=Stores(self.answers, self.enhancements),
            tenants=FakeTenants({TENANT: self.choices} if self.choices else {}),
            author=self.author,
            clock=self.clock,
        )


def emitted(outcome: Outcome) -> EnhancementSynthesized:
    assert isinstance(outcome, Emit)
    assert isinstance(outcome.event, EnhancementSynthesized)
    return outcome.event


async def test_the_answer_follows_from_the_enriched_ticket() -> None:
    room, event = Room(), enriched()
    answer = emitted(await room.process(event))
    assert (answer.event_id, answer.enhancement_id) == EnhancementSynthesized.ids_for(event)
    assert (answer.text, answer.writer, answer.model, answer.usage) == (
        MODELS.text,
        Writer.MODEL,
        "gpt-4-turbo",
        MODELS.usage,
    )
    assert (answer.input_id, answer.ticket_received_id) == (event.event_id, event.input_id)
    assert (answer.content_hash, answer.subject) == (event.ticket.content_hash, event.ticket.subject)
    assert answer.synthesized_at == NOW


async def test_a_repetition_emits_the_very_same_and_asks_no_model() -> None:
    room, event = Room(), enriched()
    first = emitted(await room.process(event))
    room.clock.advance(3600)
    assert emitted(await room.process(event)) == first
    assert len(room.model.tasks) == 1


async def test_the_answer_is_stored_before_it_is_sent_on() -> None:
    room, event = Room(), enriched()
    await room.process(event)
    assert list(room.answers.answers) == [(TENANT, event.event_id)]
    assert not room.answers.leases


async def test_what_wrote_an_answer_is_noted_down_with_it() -> None:
    room = Room()
    outcome = await room.process(enriched())
    assert isinstance(outcome, Emit)
    assert outcome.then is None
    assert room.answers.written == [outcome.event]


async def test_what_wrote_an_answer_of_before_is_noted_down_once_it_is_published_again() -> None:
    room, event = Room(), enriched()
    await room.process(event)
    again = await room.process(event)
    assert isinstance(again, Emit)
    assert again.then
    assert not room.enhancements.written
    await again.then()
    assert room.enhancements.written == [again.event] == room.answers.written


async def test_while_another_worker_writes_the_event_waits_for_its_ticket_only() -> None:
    room, event = Room(), enriched()
    await room.answers.take(TENANT, event.event_id, "another worker", event.ticket_id)
    assert await room.process(event) == Hold(Reason.ANSWER_PENDING, 1.0, Scope.TICKET)
    assert not room.model.tasks


async def test_a_dead_workers_event_is_taken_over_when_its_lease_has_run_out() -> None:
    room, event = Room(), enriched()
    await room.answers.take(TENANT, event.event_id, "a worker that dies", event.ticket_id)
    room.clock.advance(16)
    emitted(await room.process(event))


async def test_the_same_worker_does_not_call_twice_for_an_event_that_comes_back_while_it_runs() -> None:
    room, event = Room(), enriched()
    started, go_on = asyncio.Event(), asyncio.Event()

    class Slow(FakeWriter):
        async def write(self, task: object) -> Written:
            started.set()
            await go_on.wait()
            return MODELS

    room.author = Author(model=Slow([]), builtin=BuiltinWriter(), patience=Patience(), clock=room.clock)
    first = asyncio.create_task(room.process(event))
    await started.wait()
    assert await room.process(event) == Hold(Reason.ANSWER_PENDING, 1.0, Scope.TICKET)
    go_on.set()
    answer = emitted(await first)
    assert emitted(await room.process(event)) == answer


async def test_an_event_that_an_edit_has_overtaken_is_dropped_without_a_call_and_noted_down() -> None:
    room, event = Room(), enriched()
    room.answers.newest[TENANT, event.ticket_id] = "newer"
    outcome = await room.process(event)
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.SUPERSEDED
    assert not room.model.tasks
    assert not room.answers.leases
    assert room.enhancements.overtaken == [(TENANT, event.ticket_id, event.ticket.content_hash)]


async def test_an_event_whose_ticket_was_edited_back_meanwhile_is_answered() -> None:
    room, event = Room(), enriched()
    room.answers.newest[TENANT, event.ticket_id] = "newer"
    room.enhancements.edited_back = True
    assert emitted(await room.process(event)).event_id


async def test_the_newest_content_is_answered() -> None:
    room, event = Room(), enriched()
    room.answers.newest[TENANT, event.ticket_id] = event.ticket.content_hash
    emitted(await room.process(event))


async def test_an_unknown_tenant_is_waited_for_and_the_lease_given_back() -> None:
    room = Room(choices=None)
    assert await room.process(enriched()) == Hold(Reason.TENANT_UNKNOWN, 5.0)
    assert not room.answers.leases


async def test_a_model_that_is_away_holds_the_lane_and_the_lease_is_given_back() -> None:
    room = Room(model=FakeWriter([AWAY]))
    held = await room.process(enriched())
    assert isinstance(held, Hold)
    assert (held.reason, held.scope, held.detail) == (AWAY.reason, Scope.LANE, AWAY.detail)
    assert held.retry_after >= AWAY.retry_after
    assert not room.answers.leases


async def test_the_tenants_fallback_is_part_of_the_task() -> None:
    for model, fallback in (("gpt-4o-mini", "gpt-4o-mini"), ("none", None), ("gpt-4-turbo", None)):
        room = Room(choices=FakeTenantChoices(fallback_model=model, fallback_builtin=False))
        await room.process(enriched())
        choice = room.model.tasks[0].choice
        assert (choice.model, choice.fallback, choice.builtin) == ("gpt-4-turbo", fallback, False)


async def test_gathering_counts_against_the_deadline_and_waiting_does_not() -> None:
    room = Room(choices=FakeTenantChoices(enhancement_timeout_seconds=60))
    room.clock.advance(7200)
    await room.process(replace(enriched(), took_ms={"total": 8_000, "docs": 7_000}))
    assert room.model.tasks[0].seconds == 52.0


async def test_a_replay_that_may_answer_again_says_so() -> None:
    assert emitted(await Room().process(replace(enriched(), again=True))).again


async def test_an_answer_survives_a_database_that_is_away_for_a_while() -> None:
    room = Room()
    store, failures = room.answers.store, iter([True, True])

    async def flaky(
        tenant_id: str, input_id: str, owner: str, answer: str, written: EnhancementSynthesized | None = None
    ) -> str:
        if next(failures, False):
            raise PostgresUnavailable("away")
        return await store(tenant_id, input_id, owner, answer, written)

    room.answers.store = flaky  # type: ignore[method-assign]
    emitted(await room.process(enriched()))
    assert len(room.model.tasks) == 1


async def test_of_two_answers_after_a_lost_lease_the_first_one_stored_is_sent_by_both() -> None:
    room, event = Room(), enriched()
    winner = emitted(await room.process(event))

    async def take_as_if_free(tenant_id: str, input_id: str, owner: str, ticket_id: str) -> Ours:
        return Ours()

    room.answers.take = take_as_if_free  # type: ignore[method-assign]
    room.model = FakeWriter([replace(MODELS, text="## Another\n")])
    room.author = Author(model=room.model, builtin=BuiltinWriter(), patience=Patience(), clock=room.clock)
    assert emitted(await room.process(event)) == winner


async def test_a_bug_in_a_writer_is_not_hidden_and_gives_the_lease_back() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    room = Room(model=FakeWriter([MODELS], during=fail))
    with pytest.raises(ZeroDivisionError):
        await room.process(enriched())
    assert not room.answers.leases


async def test_the_built_in_writers_answer_takes_no_lease_and_is_stored_with_what_wrote_it() -> None:
    room, event = Room(choices=NO_MODEL), enriched()
    await room.answers.take(TENANT, event.event_id, "a worker that asks a model", event.ticket_id)
    outcome = await room.process(event)
    answer = emitted(outcome)
    assert isinstance(outcome, Emit)
    assert (answer.writer, answer.synthesized_at, outcome.then) == (Writer.BUILTIN, NOW, None)
    assert list(room.answers.answers) == [(TENANT, event.event_id)]
    assert room.answers.written == [answer]
    assert not room.model.tasks


async def test_without_any_model_no_lease_is_taken_either() -> None:
    room, event = Room(), enriched()
    await room.answers.take(TENANT, event.event_id, "a worker that asks a model", event.ticket_id)
    room.author = Author(model=None, builtin=BuiltinWriter(), patience=Patience(), clock=room.clock)
    assert emitted(await room.process(event)).writer is Writer.BUILTIN


async def test_a_repetition_of_the_built_in_writers_answer_emits_the_very_same_and_notes_it_down() -> None:
    room, event = Room(choices=NO_MODEL), enriched()
    first = emitted(await room.process(event))
    room.clock.advance(3600)
    again = await room.process(event)
    assert emitted(again) == first
    assert isinstance(again, Emit)
    assert again.then
    await again.then()
    assert room.enhancements.written == [first]


async def test_the_answer_that_a_model_gave_before_the_tenant_took_it_back_is_sent() -> None:
    room, event = Room(), enriched()
    first = emitted(await room.process(event))
    room.choices = NO_MODEL
    assert emitted(await room.process(event)) == first


async def test_a_model_that_is_slower_than_the_tenants_change_of_mind_sends_what_is_stored() -> None:
    room, event = Room(), enriched()
    builtin = Room(choices=NO_MODEL)
    builtin.answers = room.answers

    class Slow(FakeWriter):
        async def write(self, task: object) -> Written:
            self.sent_meanwhile = emitted(await builtin.process(event))
            return MODELS

    slow = Slow([])
    room.author = Author(model=slow, builtin=BuiltinWriter(), patience=Patience(), clock=room.clock)
    assert emitted(await room.process(event)) == slow.sent_meanwhile
    assert slow.sent_meanwhile.writer is Writer.BUILTIN
    assert not room.answers.leases


async def test_what_an_edit_has_overtaken_gets_no_built_in_note_either() -> None:
    room, event = Room(choices=NO_MODEL), enriched()
    room.answers.newest[TENANT, event.ticket_id] = "newer"
    assert await room.process(event) == Drop(Reason.SUPERSEDED)
    assert room.answers.overtaken == [(TENANT, event.ticket_id, event.ticket.content_hash)]
    assert not room.answers.answers


async def test_an_unknown_tenants_stored_answer_is_sent_all_the_same() -> None:
    room, event = Room(choices=NO_MODEL), enriched()
    first = emitted(await room.process(event))
    room.choices = None
    assert emitted(await room.process(event)) == first


async def test_notes_are_counted_once_each() -> None:
    room, event = Room(choices=NO_MODEL), enriched()
    count = metrics.NOTES.labels(TENANT, Writer.BUILTIN.value, "no")._value
    before = count.get()
    await room.process(event)
    room.clock.advance(1)
    await room.process(event)
    assert count.get() == before + 1
