"""What is known about a ticket, as values: the sources fill them in, the root cause and the report are made of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from infra.runtime.stream.breaker import BreakerState
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.record import Position
from schemas.events import FeedbackType
from schemas.topics import Stage
from sinks.postgres.tenant_contacts import Contact, ContactKind
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.webhook_refusals import Refusal

KAFKA, POSTGRES, DESK = "kafka", "postgres", "desk"
"""The sources, by the names under which `missing` has them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record where it stands. `copies` are offsets in the same partition at which the same event was found again."""

    position: Position
    event_id: str
    at: datetime | None = None
    trace_id: str | None = None
    copies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event of the ticket in tickets.received. `admitted_at`, `done_at`, `outcome` and `reason` are enrich's, from its row, None
    where there is none (yet). What only the record tells is None where the record wasn't read: `delivery_id` is the webhook-id,
    `entered_by` the service that wrote it, `signature` what is known of its signatures, in words."""

    event_id: str
    kind: str
    received_at: datetime
    position: Position
    admitted_at: datetime | None = None
    done_at: datetime | None = None
    outcome: str | None = None
    reason: str | None = None
    replay_of: str | None = None
    record: Found | None = None
    delivery_id: str | None = None
    entered_by: str | None = None
    signature: str | None = None

    @property
    def has_row(self) -> bool:
        return self.admitted_at is not None


@dataclass(frozen=True, slots=True)
class Gathered:
    """What enrich emitted: which sources gave how many items, which were missing and why, and the milliseconds each took."""

    record: Found
    input_id: str
    enriched_at: datetime
    found: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    took_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Emitted:
    """A record of synthesize or deliver."""

    record: Found
    input_id: str
    outcome: str = ""
    reason: str | None = None
    note_id: str | None = None
    content_hash: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """One content of the ticket and what became of it: a row of `enhancements`."""

    content_hash: str
    status: str
    event_id: str
    created_at: datetime
    updated_at: datetime
    reason: str | None = None
    error: str | None = None
    enhancement_id: str | None = None
    note_id: str | None = None
    writer: str | None = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    degraded: str | None = None
    received_at: datetime | None = None
    synthesized_at: datetime | None = None
    posted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A note that was to be written: when deliver began, when the desk was called, when it was done."""

    marker: str
    content_hash: str
    state: str
    created_at: datetime
    note_id: str | None = None
    sent_at: datetime | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """An event that waits. `deaths`: at so many deaths of its worker it was running."""

    stage: Stage
    ticket_id: str
    event_id: str
    scope: Scope
    reason: str
    detail: str
    until: datetime
    first_failed_at: datetime
    attempts: int
    deaths: int
    position: Position


@dataclass(frozen=True, slots=True)
class Lane:
    """The tenant's partition at one stage. `next` is the offset of the first event that isn't handled, `end` that of the next to be
    written, `done` how many in between are handled. `workers` and `owned` are None where the group couldn't be described."""

    stage: Stage
    next: int
    end: int
    done: int = 0
    workers: int | None = None
    owned: bool | None = None

    @property
    def lag(self) -> int:
        return max(0, self.end - self.next - self.done)

    def before(self, offset: int | None) -> int:
        """How many wait before the event there; all where it isn't known which it is."""
        return self.lag if offset is None else max(0, min(offset - self.next, self.lag))


@dataclass(frozen=True, slots=True)
class Breaker:
    stage: Stage
    state: BreakerState
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter of the ticket. `place` names it for `ticketstream dead-letters show`; `proven`: its tenant is."""

    place: str
    stage: str
    reason: str
    error: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    original: Position
    proven: bool = True
    trace_id: str | None = None
    event_id: str = ""


class AtDesk(StrEnum):
    """The ticket as the desk has it."""

    OPEN = "open"
    CLOSED = "closed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class DeskView:
    """`note_there` is None where no note was looked for, or it couldn't be looked for."""

    ticket: AtDesk
    status: str = ""
    subject: str = ""
    created_at: datetime | None = None
    note_there: bool | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """An answer of a technician. What it says in words isn't shown here."""

    at: datetime
    kind: FeedbackType
    rating: int | None
    commented: bool
    minutes_saved: int | None = None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How far the desk was compared with what arrived. No ticket created before `first` is fed in."""

    first: datetime
    last_run_at: datetime | None = None
    last_result: str | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Secret:
    """A webhook secret: since when it is valid and, where it was replaced, until when."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """`missing` says of sources that are away why, `looked` in words how far was searched where that isn't everything. Arrivals,
    contents and letters are oldest first, refusals and opinions newest first; `holds` are the ticket's own, `closing` those of
    others that close the tenant's lane."""

    tenant_id: str
    ticket_id: str
    now: datetime
    tenant: TenantSettings | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    looked: tuple[str, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    gathered: tuple[Gathered, ...] = ()
    synthesized: tuple[Emitted, ...] = ()
    delivered: tuple[Emitted, ...] = ()
    contents: tuple[Content, ...] = ()
    intents: tuple[Intent, ...] = ()
    holds: tuple[Hold, ...] = ()
    closing: tuple[Hold, ...] = ()
    breakers: Mapping[Stage, Breaker] = field(default_factory=dict)
    lanes: Mapping[Stage, Lane] = field(default_factory=dict)
    letters: tuple[Letter, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    desk: DeskView | None = None
    opinions: tuple[Opinion, ...] = ()
    contacts: Mapping[ContactKind, Contact] = field(default_factory=dict)
    reconciled: Reconciled | None = None
    secrets: tuple[Secret, ...] = ()
    not_looked_at: int = 0
    """Waiting events, with PostgreSQL away all, which couldn't be looked through in time: the ticket may be among them."""
    subject: str = ""
    seen_as_history: bool = False
    """The ticket is known, but only from an import."""

    @property
    def newest(self) -> Arrival | None:
        return self.arrivals[-1] if self.arrivals else None

    @property
    def own_refusals(self) -> tuple[Refusal, ...]:
        """Those that claimed to be about this ticket."""
        return tuple(one for one in self.refusals if one.ticket_id == self.ticket_id)

    def content_of(self, arrival: Arrival) -> Content | None:
        """The content that this event is, or was, to answer."""
        return next((one for one in reversed(self.contents) if one.event_id == arrival.event_id), None)
