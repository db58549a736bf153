"""What the oracle looks at, kept by those who are not under test: the sender, the desks, the model server, and Kafka's records."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Said:
    """One content of a ticket that the sender told the edge; `accepted` when it was answered 2xx. `tokens` are this content's own
    words, of which the first must come back in its note. `number` counts the ticket's contents from 0."""

    tenant_id: str
    ticket_id: str
    number: int
    tokens: tuple[str, ...]
    accepted: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """A webhook that had to get one of the `expected` answers, and the last one that it got; None where there never was one."""

    tenant_id: str
    ticket_id: str
    kind: str
    expected: tuple[int, ...]
    status: int | None


@dataclass(frozen=True, slots=True)
class NoteAtDesk:
    tenant_id: str
    ticket_id: str
    note_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    tenant_id: str
    ticket_id: str
    reason: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class PaidAnswer:
    """The model's answer about the ticket whose subject holds `token`, heard or not; times in seconds since 1970."""

    token: str
    started: float
    ended: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """`strangers` are tokens of webhooks that had to be refused. `excuses` are the times at which a worker of synthesize was killed
    or stopped for so long that its lease ran out: an answer that was running then may be paid for again. Dead letters are named by
    tenant, ticket and reason; those `permitted` come of webhooks of which nobody can say whether they were accepted."""

    said: tuple[Said, ...]
    answered: tuple[Answered, ...] = ()
    notes: tuple[NoteAtDesk, ...] = ()
    letters: tuple[Letter, ...] = ()
    expected_letters: frozenset[tuple[str, str, str]] = frozenset()
    permitted_letters: frozenset[tuple[str, str, str]] = frozenset()
    strangers: frozenset[str] = frozenset()
    paid: tuple[PaidAnswer, ...] = ()
    excuses: tuple[float, ...] = ()
    lag: dict[str, int] = field(default_factory=dict)
