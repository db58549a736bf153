"""Solved tickets: JSON lines, where `requester` is an object, or CSV, where it is `requester_id,requester_name,requester_email`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from infra.ops.cli.imports.fields import RowError, collect, optional, required, text, time
from infra.ops.cli.imports.records import Record, read_records

_TICKET_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PERSON = ("id", "name", "email")


@dataclass(frozen=True, slots=True)
class SolvedTicket:
    """`description` and `resolution` are plain text; `solved_at` defaults to `created_at`."""

    ticket_id: str
    subject: str
    description: str
    resolution: str
    requester_id: str | None
    requester_name: str | None
    requester_email: str | None
    site: str | None
    end_customer: str | None
    category: str | None
    priority: str | None
    status: str
    created_at: datetime | None
    solved_at: datetime | None


def read_solved_tickets(path: Path) -> list[SolvedTicket]:
    """Every row of a file. Raises BadRows with all that is wrong."""
    return collect(read_records(path), _ticket, lambda ticket: ticket.ticket_id, path)


def _ticket(record: Record) -> SolvedTicket:
    ticket_id = required(record, "ticket_id")
    if not _TICKET_ID.fullmatch(ticket_id):
        raise RowError("ticket_id must be 1-64 characters of A-Z a-z 0-9 . _ -")
    person = _requester(record)
    created_at = time(record, "created_at")
    solved_at = time(record, "solved_at") or created_at
    if created_at and solved_at and solved_at < created_at:
        raise RowError("solved_at is before created_at")
    return SolvedTicket(
        ticket_id=ticket_id,
        subject=required(record, "subject", longest=1000),
        description=text(record, "description"),
        resolution=text(record, "resolution"),
        requester_id=optional(person, "id"),
        requester_name=optional(person, "name"),
        requester_email=optional(person, "email"),
        site=optional(record, "site"),
        end_customer=optional(record, "end_customer"),
        category=optional(record, "category"),
        priority=optional(record, "priority"),
        status=optional(record, "status") or "Closed",
        created_at=created_at,
        solved_at=solved_at,
    )


def _requester(record: Record) -> Record:
    nested = record.values.get("requester")
    if isinstance(nested, dict):
        return Record(record.file, record.line, {name: nested.get(name) for name in _PERSON})
    if nested not in (None, ""):
        return Record(record.file, record.line, {"name": nested})
    return Record(record.file, record.line, {name: record.values.get(f"requester_{name}") for name in _PERSON})
