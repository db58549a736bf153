"""What all events have in common."""

from __future__ import annotations

from typing import Protocol


class Event(Protocol):
    """An event of one tenant about one ticket, with a derived id (see `schemas.ids`)."""

    @property
    def event_id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...
    @property
    def ticket_id(self) -> str: ...
