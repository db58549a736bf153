"""What enrich needs from outside: what was received before, what arrives, the enhancements, the search, tenants' choices.

Every method of a store raises what the database raises when it is away; the runner then holds the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from infra.runtime.stream.record import Position
from schemas.events import ContextItem, Ticket, TicketReceived
from sinks.postgres.received_events import Admission
from sinks.servicedesk.types import Gone, Refused, TicketRef

Address = IPv4Address | IPv6Address


class ReceivedEvents(Protocol):
    """Which events were received, where they stood, and whether they are done with."""

    async def mark(self, tenant_id: str, event_id: str, outcome: str, reason: str | None) -> None:
        """The event is done with: `outcome` is "published" or "dropped". May be said again."""


class TicketState(Protocol):
    """The newest content that was received of a ticket, where that stood, and whether the ticket is closed. `edits_since` is when
    the first of those edits was received that are gathered, or were last; None where nothing but the first content is known."""

    @property
    def newest_hash(self) -> str: ...
    @property
    def newest_offset(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    @property
    def edits_since(self) -> datetime | None: ...


class TakenIn(Protocol):
    """`state` is None where the event isn't fresh. `begun` is None where there was more to decide first, else whether the content
    is this event's to answer; `limited`, then, whether the ticket had its notes of a day."""

    @property
    def admission(self) -> Admission: ...
    @property
    def state(self) -> TicketState | None: ...
    @property
    def begun(self) -> bool | None: ...
    @property
    def limited(self) -> bool: ...


class Arrivals(Protocol):
    async def take_in(
        self, event: TicketReceived, position: Position, body_hash: str, *, gathering: timedelta, notes: int
    ) -> TakenIn:
        """Admit the event. FRESH: never seen, or seen at this position, or seen elsewhere and not done with: handle it. COPY: it
        stood elsewhere, had the same body and is done with. CONFLICT: the same id stood elsewhere with another body.

        If it is fresh, keep the ticket as history, with its resolution when it is closed. An older event never overwrites a newer
        one, and a replayed one counts as old as the event that it repeats. A webhook that changes the content of a ticket which was
        received before begins a gathering, unless one began less than `gathering` earlier.

        Then `Enhancements.begin` and, unless an operator asks for another note, `limited`. They are left to the caller where the
        event closes its ticket, the ticket says something else now or is closed, or its edits are or were gathered.

        All of it happens or none. May be said again."""


class Enhancements(Protocol):
    """Which content of which ticket was answered, is being answered, or couldn't be. Every method may be repeated."""

    async def begin(self, event: TicketReceived) -> bool:
        """Note down that this event's content is being answered. False if another event's row for it is there; the row that
        this same event wrote doesn't count, nor one that ended without a note. A replay takes over also what the event that it
        repeats, or an earlier replay of that, began and never ended."""

    async def anothers(self, event: TicketReceived) -> bool:
        """Whether this event's content was answered, or is being answered, for another event. Notes down nothing."""

    async def limited(self, event: TicketReceived, notes: int) -> bool:
        """Whether the ticket got so many notes about other content within 24 hours; if so, notes down that there is none for this
        content, which this event has begun."""

    async def superseded(self, tenant_id: str, ticket_id: str, content_hash: str) -> bool:
        """Notes down that this content is dropped for the ticket's newest; false, and nothing noted, if it is the newest."""

    async def dropped(self, tenant_id: str, ticket_id: str, content_hash: str, reason: str) -> None:
        """Notes down that there is no note for this content, and why. What succeeded once stays so."""


class Found(Protocol):
    """A row that a search found. `kind` as in ContextItem; `score`: higher is better, comparable within one question only."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def excerpt(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def link(self) -> str | None: ...


class Search(Protocol):
    """Questions to a tenant's own data; the best rows first, never another tenant's. Where the asking ticket names an end customer,
    no ticket that names another one is found."""

    async def requester_history(
        self, tenant_id: str, requester_key: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        """A requester's earlier tickets, the newest first."""

    async def similar_solved(
        self, tenant_id: str, text: str, end_customer: str | None, exclude_ticket: str, limit: int
    ) -> Sequence[Found]:
        """Solved tickets about the same, those that name the same end customer first where they match alike."""

    async def articles(self, tenant_id: str, text: str, limit: int) -> Sequence[Found]:
        """Knowledge articles about `text`."""

    async def by_hostnames(self, tenant_id: str, names: Sequence[str]) -> Sequence[Found]:
        """Devices with these names, given in lower case."""

    async def by_addresses(
        self, tenant_id: str, addresses: Sequence[Address], end_customer: str | None
    ) -> Sequence[Found]:
        """Devices with these addresses, subnets that hold them, earlier tickets that name them."""


class Desk(Protocol):
    async def request(self, ticket: TicketRef) -> Mapping[str, Any] | Gone | Refused:
        """The desk's whole request object as it is now. Reading is repeatable: every failure is `Refused`."""


class TenantChoices(Protocol):
    """What a tenant set that concerns gathering."""

    @property
    def enhancement_timeout_seconds(self) -> int: ...
    @property
    def enable_context_caching(self) -> bool: ...


class Tenants(Protocol):
    def of_tenant(self, tenant_id: str) -> TenantChoices | None:
        """The tenant's settings as last seen; None if it is unknown."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a source is asked. `search`: the tenant's own, or one that remembers answers."""

    tenant_id: str
    ticket: Ticket
    search: Search

    @property
    def text(self) -> str:
        """Subject and description, without NUL, which no database takes."""
        return f"{self.ticket.subject}\n{self.ticket.description}".replace("\0", " ")


class ContextSource(Protocol):
    """One kind of knowledge. A source may raise and may be cancelled at any await: then it is named as missing."""

    @property
    def name(self) -> str: ...

    async def find(self, query: Query) -> Sequence[ContextItem]:
        """Items about the ticket, the best first; excerpts may be too long still."""
