"""The port of all writers, and the values that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schemas.events import Citation, ContextItem, MissingSource, Ticket, TicketEnriched, Usage
from schemas.events import Writer as WrittenBy
from schemas.reasons import Reason

MAX_NOTE_BYTES = 8 * 1024
_ORDER = {"article": 0, "similar": 1, "requester": 2, "incident": 3, "device": 4, "subnet": 5}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A context item under the number by which a note refers to it, from 1 up."""

    number: int
    item: ContextItem

    def citation(self) -> Citation:
        item = self.item
        return Citation(number=self.number, source=item.source, id=item.id, title=item.title, link=item.link)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """What the tenant chose. `external` false: no ticket of this tenant may leave the platform. While `model` is away `fallback`
    is asked, if there is one; if that is away too, the built-in writer answers, or with `builtin` false the ticket waits."""

    model: str
    temperature: float
    external: bool
    fallback: str | None = None
    builtin: bool = True


@dataclass(frozen=True, slots=True)
class WritingTask:
    """`seconds` is what is left of the tenant's working time for this enhancement; a writer must not take longer."""

    input_id: str
    ticket: Ticket
    evidence: tuple[Evidence, ...]
    missing: tuple[MissingSource, ...]
    choice: ModelChoice
    seconds: float

    @classmethod
    def of(cls, event: TicketEnriched, choice: ModelChoice, seconds: float) -> WritingTask:
        """Articles come first, then tickets, then the network; within a kind the better score."""
        items = sorted(event.context, key=lambda item: (_ORDER.get(item.kind, len(_ORDER)), -item.score))
        evidence = tuple(Evidence(number, item) for number, item in enumerate(items, 1))
        return cls(event.event_id, event.ticket, evidence, event.missing, choice, seconds)


@dataclass(frozen=True, slots=True)
class Written:
    """A note. `text` is Markdown of at most 8 KiB; every `[n]` in it is the number of one of `citations`."""

    text: str
    citations: tuple[Citation, ...]
    writer: WrittenBy
    model: str | None = None
    prompt_version: str | None = None
    usage: Usage = Usage()
    degraded: str | None = None


@dataclass(frozen=True, slots=True)
class WriterUnavailable:
    """Something is wrong with the world: the same task may succeed in `retry_after` seconds. `reason` is MODEL_UNAVAILABLE or
    MODEL_RATE_LIMITED, `detail` says in a few words what happened, without text of the ticket. `called` false: the model's
    breaker let no call through; `probing`: since another call is finding out just now whether the model is back.
    `away_seconds`: since when the breaker isn't closed."""

    reason: Reason
    retry_after: float
    detail: str
    called: bool = True
    probing: bool = False
    away_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class WriterRefused:
    """This writer won't write this task; another may. `usage` is what it cost anyway. `every_task`: it will write none for this
    choice before a person has seen to it (the key, the credit, the model's name)."""

    detail: str
    usage: Usage = Usage()
    every_task: bool = False


class Writer(Protocol):
    async def write(self, task: WritingTask) -> Written | WriterUnavailable | WriterRefused:
        """Write the note of a task, within `task.seconds`.

        Raises nothing that the world can cause: an answer that fails to come is a value. Cancelling leaves nothing behind but
        what the call cost."""
