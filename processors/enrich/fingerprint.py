"""What two copies of an event have in common: everything but the time at which we received them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

import orjson

from schemas.events import TicketKind, TicketReceived
from schemas.records import to_record


def fingerprint(event: TicketReceived) -> str:
    """SHA-256 (hex) over what the sender said. The record's own hash won't do: a webhook that the desk sends again, because our
    answer got lost, becomes a record that differs in `received_at`. A reconciled event is asked for by us, under an id that names
    its content: what else the desk says of the ticket the next time makes no other event of it.

    A field with its default value isn't said, so that a field that a later release adds leaves earlier events what they were."""
    if event.kind is TicketKind.RECONCILED:
        return sha256(f"{event.kind}\0{event.ticket_id}\0{event.ticket.content_hash}".encode()).hexdigest()
    said = _said(event)
    del said["received_at"]
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _said(part: Any) -> dict[str, Any]:
    record = to_record(part)
    for field in fields(part):
        value = getattr(part, field.name)
        if value == field.default:
            del record[field.name]
        elif is_dataclass(value):
            record[field.name] = _said(value)
    return record
