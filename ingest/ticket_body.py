"""A webhook's body as a ticket: ServiceDesk Plus's v3 `{"request": {…}}` or the flat template of the handbook.

Source: ManageEngine, ServiceDesk Plus REST API v3, "Request"; `$COMPLETE_V3_JSON_FILE` of its custom triggers has the same form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.answers import Refused, wrong_field
from ingest.desk_values import Name, RawText, Resolution, Subject, TicketId, Time
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
_PERSON_KEYS = ("id", "name", "email_id", "email")


@dataclass(frozen=True, slots=True)
class TicketBody:
    """What a webhook says. The same body always gives the same value."""

    kind: TicketKind
    ticket: Ticket


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=False, hide_input_in_errors=True)


class _Person(_Body):
    id: Name = None
    name: Name = None
    email_id: Name = None
    email: Name = None


class _Fields(_Body):
    """What both forms have in common, by the same names."""

    subject: Subject
    description: RawText = ""
    site: Name = None
    category: Name = None
    priority: Name = None
    status: Name = None
    resolution: Resolution = None
    created_time: Time = None
    operation: Name = None
    event: Name = None


class _Request(_Fields):
    id: TicketId
    requester: _Person | str | None = None
    account: Name = None
    end_customer: Name = None
    udf_fields: dict[str, Any] | None = None
    last_updated_time: Time = None
    updated_time: Time = None


class _Wrapped(_Body):
    request: _Request
    operation: Name = None
    event: Name = None


class _Flat(_Fields):
    ticket_id: TicketId
    requester_name: Name = None
    requester_email: Name = None
    end_customer: Name = None
    updated_time: Time = None


def parse_ticket(body: bytes) -> TicketBody:
    """The ticket that the bytes describe. Raises Refused: 400 if they are no JSON, 422 with the field's path otherwise."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise wrong_field(WHOLE_DOCUMENT, "must be an object")
    try:
        return _wrapped(_Wrapped.model_validate(document)) if "request" in document else _flat(document)
    except ValidationError as error:
        raise _refusal(error) from None


def _wrapped(body: _Wrapped) -> TicketBody:
    request = body.request
    ticket = _ticket(
        request,
        request.id,
        requester=_requester(request.requester),
        end_customer=request.end_customer or request.account or _end_customer(request.udf_fields),
        updated_at=request.last_updated_time or request.updated_time,
    )
    said = body.operation or body.event or request.operation or request.event
    return TicketBody(_kind(said, ticket), ticket)


def _flat(document: dict[str, Any]) -> TicketBody:
    body = _Flat.model_validate(document)
    requester = None
    if body.requester_name or body.requester_email:
        requester = Requester(name=body.requester_name, email=body.requester_email)
    ticket = _ticket(
        body, body.ticket_id, requester=requester, end_customer=body.end_customer, updated_at=body.updated_time
    )
    return TicketBody(_kind(body.operation or body.event, ticket), ticket)


def _ticket(fields: _Fields, ticket_id: str, **particular: Any) -> Ticket:
    text, source_cut = to_text(fields.description)
    text, cut = cut_to_bytes(storable(text), MAX_DESCRIPTION_BYTES)
    return Ticket(
        ticket_id=ticket_id,
        subject=fields.subject,
        description=text,
        description_cut=cut or source_cut,
        site=fields.site,
        category=fields.category,
        priority=fields.priority,
        status=fields.status,
        resolution=fields.resolution,
        created_at=fields.created_time,
        **particular,
    )


def _requester(person: _Person | str | None) -> Requester | None:
    if isinstance(person, str):
        person = _Person(name=person)
    if person is None:
        return None
    email = person.email_id or person.email
    return Requester(person.id, person.name, email) if person.id or person.name or email else None


def _end_customer(udf_fields: dict[str, Any] | None) -> str | None:
    """The first additional field whose name speaks of a customer; desks name these fields themselves."""
    for key, value in (udf_fields or {}).items():
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


def _refusal(error: ValidationError) -> Refused:
    """The first fault, with its path as one writes it: `request.requester.name`."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in fault["loc"] if part not in ("_Person", "str")) or WHOLE_DOCUMENT
    message = "is missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
    return wrong_field(path, f"{path} {message}")
