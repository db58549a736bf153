"""The ticket as the desk described it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from schemas.content import content_hash

MAX_DESCRIPTION_BYTES = 64 * 1024
_CLOSED_STATES = frozenset({"closed", "resolved"})


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked. At least one of the three is known, or the ticket has no requester."""

    id: str | None = None
    name: str | None = None
    email: str | None = None

    @property
    def key(self) -> str:
        """What tells this requester from others of the same tenant."""
        return (self.email or self.id or self.name or "").strip().lower()


@dataclass(frozen=True, slots=True)
class Ticket:
    """`description` is plain text, cut at 64 KiB of UTF-8 (`description_cut`). `content_hash` covers what an enhancement
    answers: subject, description, requester and category."""

    ticket_id: str
    subject: str
    description: str
    description_cut: bool = False
    requester: Requester | None = None
    site: str | None = None
    end_customer: str | None = None
    category: str | None = None
    priority: str | None = None
    status: str | None = None
    resolution: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    content_hash: str = field(default="")

    @property
    def closed(self) -> bool:
        """Whether the desk says that nothing is left to do."""
        return (self.status or "").strip().lower() in _CLOSED_STATES

    def __post_init__(self) -> None:
        if not self.content_hash:
            requester = self.requester.key if self.requester else ""
            value = content_hash(self.subject, self.description, requester, self.category or "")
            object.__setattr__(self, "content_hash", value)
