"""What is said to a desk and what comes back. Results are values; only bugs are exceptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from schemas.reasons import Reason

SETTLE_TIME = 30.0
"""Seconds after which a note that the desk may have written is surely to be seen in its list: longer than a call may take."""


class DeskForm(StrEnum):
    ONPREM = "onprem"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class DeskAccount:
    """A tenant's desk. `base_url` is without `/api/v3`; `credential` is the key on premises, JSON in the cloud; `ca` holds the PEM
    certificates that vouch for it in place of the public ones, if it has any."""

    tenant_id: str
    base_url: str
    form: DeskForm
    credential: str = field(repr=False)
    ca: str = field(default="", repr=False)


class DeskAccounts(Protocol):
    async def of(self, tenant_id: str) -> DeskAccount | None:
        """The tenant's desk as set now; None when the tenant is unknown or has no readable credential."""


@dataclass(frozen=True, slots=True)
class TicketRef:
    tenant_id: str
    ticket_id: str


@dataclass(frozen=True, slots=True)
class Note:
    """`html` holds `marker` as visible text; the marker is at least 16 letters and digits, never those of another note. `tenant_id`
    is whose ticket the text is about, as far as it is for a tenant's ticket at all."""

    html: str
    marker: str
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class Posted:
    """The note is on the ticket. `found`: it was there already."""

    note_id: str
    found: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """This call wrote nothing. `reason` is DESK_UNAVAILABLE, DESK_RATE_LIMITED, DESK_CREDENTIAL_REFUSED, TICKET_DELETED,
    TENANT_MISMATCH or DESK_REFUSED; only the last two say that the same call would be refused again. `retry_after` in seconds is
    the desk's own wish, if it has one. `ticket_only`: other tickets of the desk may do better (the key may not see this one)."""

    reason: Reason
    detail: str
    retry_after: float | None = None
    code: int | None = None
    ticket_only: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The desk may have acted: the call was sent, and no answer that can be understood came back."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """No note with that marker is on the ticket."""


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket as the desk has it now. `closed` is also true for resolved and cancelled ones."""

    ticket_id: str
    status: str
    closed: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no such ticket (any more), or it is in the bin."""


class NoteSink(Protocol):
    async def post(self, ticket: TicketRef, note: Note, *, first_try: bool = False) -> Posted | Refused | Unknown:
        """Add a note to a ticket, at most once for a given `note.marker`, never shown to the requester.

        Returns `Posted(note_id)` also when a note with that marker is already there: it is looked for first, unless the caller
        knows that it can't be there (`first_try`, or it has just looked). `Refused` means that this call wrote nothing; an earlier
        one may have. `Unknown` means that the desk may have written it (timeout, connection reset, 5xx): call again after
        `SETTLE_TIME`, and look first. Cancelling leaves the state `Unknown`. Two calls for one marker at the same time are the
        caller's to prevent. Source: ServiceDesk Plus REST v3 has no idempotency key.
        """

    async def find(self, ticket: TicketRef, marker: str) -> Posted | NotFound | Refused:
        """Look for the note with this marker, without writing. A deleted ticket has none: `Refused(TICKET_DELETED)`."""


class TicketReader(Protocol):
    async def get(self, ticket: TicketRef) -> TicketView | Gone | Refused:
        """The ticket as the desk has it now. Reading is repeatable: every failure is `Refused`."""
