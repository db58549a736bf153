"""A webhook's body as a ticket: ServiceDesk Plus's v3 `{"request": {…}}` or the flat template of the handbook.

Source: ManageEngine, ServiceDesk Plus REST API v3, "Request"; `$COMPLETE_V3_JSON_FILE` of its custom triggers has the same form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from ingest import desk_values
from ingest.answers import wrong_field
from ingest.html_text import cut_to_bytes, to_text
from ingest.json_text import WHOLE_DOCUMENT, parse_json, storable
from schemas.events import Requester, Ticket, TicketKind
from schemas.events.ticket import MAX_DESCRIPTION_BYTES

_OPERATIONS = {
    word: kind
    for kind, words in {
        TicketKind.CREATED: "created create add added new",
        TicketKind.UPDATED: "updated update edit edited modified reopened",
        TicketKind.CLOSED: "closed close resolved resolve",
    }.items()
    for word in words.split()
}
_CUSTOMER_FIELD = re.compile(r"customer|client|company|account", re.IGNORECASE)


class TicketBody(NamedTuple):
    """What a webhook says. The same body always gives the same value."""

    kind: TicketKind
    ticket: Ticket


Fields = tuple[tuple[str, Callable[[Any], Any]], ...]
"""The fields of an object and what each means, whatever the desk calls it."""

_SAID: Fields = (("operation", desk_values.name), ("event", desk_values.name))
_COMMON: Fields = (
    ("subject", desk_values.subject),
    ("description", desk_values.raw_text),
    ("site", desk_values.name),
    ("category", desk_values.name),
    ("priority", desk_values.name),
    ("status", desk_values.name),
    ("resolution", desk_values.resolution),
    ("created_time", desk_values.time),
    ("updated_time", desk_values.time),
    ("end_customer", desk_values.name),
    *_SAID,
)
_REQUEST: Fields = (
    *_COMMON,
    ("id", desk_values.ticket_id),
    ("account", desk_values.name),
    ("udf_fields", desk_values.additional_fields),
    ("last_updated_time", desk_values.time),
)
_FLAT: Fields = (
    *_COMMON,
    ("ticket_id", desk_values.ticket_id),
    ("requester_name", desk_values.name),
    ("requester_email", desk_values.name),
)
_PERSON: Fields = (
    ("id", desk_values.name),
    ("name", desk_values.name),
    ("email_id", desk_values.name),
    ("email", desk_values.name),
)


def parse_ticket(body: bytes) -> TicketBody:
    """The ticket that the bytes describe. Raises Refused: 400 if they are no JSON, 422 with the field's path otherwise."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise wrong_field(WHOLE_DOCUMENT, "must be an object")
    return _wrapped(document) if "request" in document else _flat(document)


def _wrapped(document: dict[str, Any]) -> TicketBody:
    request = document["request"]
    if not isinstance(request, dict):
        raise wrong_field("request", "request must be an object")
    read, around = _read(request, _REQUEST, "request."), _read(document, _SAID, "")
    ticket = _ticket(
        read,
        read["id"],
        requester=_requester(request.get("requester")),
        end_customer=read["end_customer"] or read["account"] or _end_customer(read["udf_fields"]),
        updated_at=read["last_updated_time"] or read["updated_time"],
    )
    said = around["operation"] or around["event"] or read["operation"] or read["event"]
    return TicketBody(_kind(said, ticket), ticket)


def _flat(document: dict[str, Any]) -> TicketBody:
    read = _read(document, _FLAT, "")
    ticket = _ticket(
        read,
        read["ticket_id"],
        requester=_known(None, read["requester_name"], read["requester_email"]),
        end_customer=read["end_customer"],
        updated_at=read["updated_time"],
    )
    return TicketBody(_kind(read["operation"] or read["event"], ticket), ticket)


def _read(document: dict[str, Any], fields: Fields, path: str) -> dict[str, Any]:
    """Every one of the fields, the unknown ones left out. Refuses with the path of the first that nobody could mean."""
    read: dict[str, Any] = {}
    field = ""
    try:
        for field, meant in fields:
            read[field] = meant(document.get(field))
    except ValueError as error:
        problem = error if field in document else "is missing"
        raise wrong_field(f"{path}{field}", f"{path}{field} {problem}") from None
    return read


def _ticket(
    read: dict[str, Any],
    ticket_id: str,
    *,
    requester: Requester | None,
    end_customer: str | None,
    updated_at: datetime | None,
) -> Ticket:
    text, source_cut = to_text(read["description"])
    text, cut = cut_to_bytes(storable(text), MAX_DESCRIPTION_BYTES)
    return Ticket(
        ticket_id=ticket_id,
        subject=read["subject"],
        description=text,
        description_cut=cut or source_cut,
        requester=requester,
        site=read["site"],
        end_customer=end_customer,
        category=read["category"],
        priority=read["priority"],
        status=read["status"],
        resolution=read["resolution"],
        created_at=read["created_time"],
        updated_at=updated_at,
    )


def _requester(value: Any) -> Requester | None:
    """An object with a name, an id, an address, or just the name."""
    if isinstance(value, str):
        return _known(None, desk_values.name(value), None)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong_field("request.requester", "request.requester must be text or an object")
    read = _read(value, _PERSON, "request.requester.")
    return _known(read["id"], read["name"], read["email_id"] or read["email"])


def _known(person_id: str | None, name: str | None, email: str | None) -> Requester | None:
    return Requester(person_id, name, email) if person_id or name or email else None


def _end_customer(udf_fields: dict[str, Any]) -> str | None:
    """The first additional field whose name speaks of a customer; desks name these fields themselves."""
    for key, value in udf_fields.items():
        if _CUSTOMER_FIELD.search(key):
            value = value.get("name") if isinstance(value, dict) else value
            if isinstance(value, str) and value.strip():
                return storable(value[:500]).strip()
    return None


def _kind(said: str | None, ticket: Ticket) -> TicketKind:
    """What the sender calls it, else what the ticket's state and times tell."""
    if said and (kind := _OPERATIONS.get(said.lower())):
        return kind
    if ticket.closed:
        return TicketKind.CLOSED
    if ticket.created_at and ticket.updated_at and ticket.updated_at > ticket.created_at:
        return TicketKind.UPDATED
    return TicketKind.CREATED
