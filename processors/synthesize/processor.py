"""The decision of synthesize: send the stored answer, wait for another worker's, or write one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from infra.runtime.clock import Clock
from infra.runtime.stream.outcomes import Drop, Emit, Hold, Outcome, Scope
from infra.runtime.telemetry.logs import get_logger
from processors.synthesize import metrics
from processors.synthesize.answer import Answer
from processors.synthesize.author import Author
from processors.synthesize.lease import kept, store_persistently
from processors.synthesize.ports import AnswerStore, Enhancements, TenantChoices, Tenants
from processors.synthesize.writer.writer import ModelChoice, WritingTask
from schemas.events import EnhancementSynthesized, TicketEnriched
from schemas.reasons import Reason
from sinks.postgres.answers import Busy, Ours, Overtaken, Stored
from sinks.postgres.tenant_settings import NO_MODEL

log = get_logger(__name__)

PENDING_SECONDS = 1.0
UNKNOWN_TENANT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Where synthesize keeps and finds what it knows."""

    answers: AnswerStore
    enhancements: Enhancements


async def process(event: TicketEnriched, *, stores: Stores, tenants: Tenants, author: Author, clock: Clock) -> Outcome:
    """Emit the answer to `event`, once written. May run detached, since only the emitting needs the partition."""
    choices = tenants.of_tenant(event.tenant_id)
    task = _task(event, choices) if choices else None
    if task is None or author.asks_model(task):
        return await _under_lease(event, task, stores, author, clock)
    return await _at_once(event, task, stores, author, clock)


async def _at_once(event: TicketEnriched, task: WritingTask, stores: Stores, author: Author, clock: Clock) -> Outcome:
    """The built-in writer's note costs nothing, so nobody has to be kept from writing it as well: one call stores it."""
    ours = Answer.to(event, await author.write_builtin(task), clock.now())
    text, synthesized = ours.to_json(), ours.following(event)
    stored = await stores.answers.keep(text, synthesized)
    if isinstance(stored, Overtaken):
        return Drop(Reason.SUPERSEDED)
    if stored.answer != text:
        return _emit_stored(Answer.from_json(stored.answer), event, stores)
    return _emit_new(synthesized)


async def _under_lease(
    event: TicketEnriched, task: WritingTask | None, stores: Stores, author: Author, clock: Clock
) -> Outcome:
    """A model's answer is paid for, so one worker writes at a time.

    Every call is an owner of its own: a call that goes on after its partition was revoked keeps its lease also against the same
    worker, should the partition come back."""
    owner = str(uuid4())
    taken = await stores.answers.take(event.tenant_id, event.event_id, owner, event.ticket_id)
    if isinstance(taken, Stored):
        return _emit_stored(Answer.from_json(taken.answer), event, stores)
    if isinstance(taken, Busy):
        return Hold(Reason.ANSWER_PENDING, PENDING_SECONDS, Scope.TICKET)
    answer: Answer | None = None
    try:
        if await _overtaken(event, taken, stores):
            return Drop(Reason.SUPERSEDED)
        if task is None:
            return Hold(Reason.TENANT_UNKNOWN, UNKNOWN_TENANT_SECONDS)
        async with kept(stores.answers, event, owner):
            written = await author.write(task, tenant_id=event.tenant_id)
            if isinstance(written, Hold):
                return written
            ours = Answer.to(event, written, clock.now())
            answer = await store_persistently(stores.answers, event, owner, ours)
        return _emit_new(ours.following(event)) if answer is ours else _emit_stored(answer, event, stores)
    finally:
        if answer is None:
            with suppress(Exception):  # the lease runs out by itself; what really happened must not be hidden
                await stores.answers.release(event.tenant_id, event.event_id, owner)


def _task(event: TicketEnriched, choices: TenantChoices) -> WritingTask:
    return WritingTask.of(event, _choice(choices), _seconds_left(event, choices.enhancement_timeout_seconds))


def _choice(choices: TenantChoices) -> ModelChoice:
    others = choices.fallback_model not in (NO_MODEL, choices.gpt4_model)
    return ModelChoice(
        choices.gpt4_model,
        choices.gpt4_temperature,
        choices.external_model,
        fallback=choices.fallback_model if others else None,
        builtin=choices.fallback_builtin,
    )


def _seconds_left(event: TicketEnriched, timeout: int) -> float:
    """Working time only: waiting in a topic or behind a hold doesn't count."""
    gathered_ms = (event.took_ms or {}).get("total", 0)
    return max(0.0, timeout - gathered_ms / 1000)


def _emit_new(synthesized: EnhancementSynthesized) -> Emit:
    degraded = "yes" if synthesized.degraded else "no"
    metrics.NOTES.labels(synthesized.tenant_id, synthesized.writer.value, degraded).inc()
    log.info(
        "Note written", tenant_id=synthesized.tenant_id, ticket_id=synthesized.ticket_id, event_id=synthesized.input_id,
        writer=synthesized.writer.value, model=synthesized.model, degraded=synthesized.degraded,
    )  # fmt: skip
    return Emit(synthesized)


def _emit_stored(answer: Answer, event: TicketEnriched, stores: Stores) -> Emit:
    """What was stored before may have been stored without what wrote it, or its ticket's row may be another event's by now."""
    synthesized = answer.following(event)

    async def note_down() -> None:
        await stores.enhancements.synthesized(synthesized)

    return Emit(synthesized, then=note_down, repeated=True)


async def _overtaken(event: TicketEnriched, taken: Ours, stores: Stores) -> bool:
    """Whether an edit is on its way, whose note will be the right one. Not if the ticket was edited back meanwhile."""
    content = event.ticket.content_hash
    if taken.newest_hash is None or taken.newest_hash == content:
        return False
    return await stores.enhancements.superseded(event.tenant_id, event.ticket_id, content)
