"""What a desk says of a ticket, as a ticket: ServiceDesk Plus's v3 `{"request": {…}}`, or the flat template of the handbook.

Source: ManageEngine, ServiceDesk Plus REST API v3, "Request"; `$COMPLETE_V3_JSON_FILE` of its custom triggers has the same form.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from schemas.events import Requester, Ticket, TicketKind
from schemas.events.ticket import MAX_DESCRIPTION_BYTES
from sinks.servicedesk.desk_values import (
    Fields,
    WrongField,
    additional_fields,
    name,
    raw_text,
    resolution,
    said,
    subject,
    ticket_id,
    time,
)
from sinks.servicedesk.html_text import cut_to_bytes, to_text
from sinks.servicedesk.storable_text import storable

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
    """What the desk says. The same document always gives the same value."""

    kind: TicketKind
    ticket: Ticket


def read_ticket(document: Fields) -> TicketBody:
    """The ticket that a document describes. Raises WrongField."""
    return _wrapped(document) if "request" in document else _flat(document)


def _wrapped(document: Fields) -> TicketBody:
    request = document["request"]
    if not isinstance(request, dict):
        raise WrongField("request", "must be an object")
    try:
        account = name(request, "end_customer") or name(request, "account")
        additional = additional_fields(request, "udf_fields")
        ticket = _ticket(
            request,
            id_field="id",
            requester=_requester(request),
            end_customer=account or _end_customer(additional),
            updated_at=time(request, "last_updated_time") or time(request, "updated_time"),
        )
    except WrongField as wrong:
        raise wrong.within("request") from None
    return TicketBody(_kind(said(document) or said(request), ticket), ticket)


def _flat(document: Fields) -> TicketBody:
    ticket = _ticket(
        document,
        id_field="ticket_id",
        requester=_known(None, name(document, "requester_name"), name(document, "requester_email")),
        end_customer=name(document, "end_customer"),
        updated_at=time(document, "updated_time"),
    )
    return TicketBody(_kind(said(document), ticket), ticket)


def _ticket(
    fields: Fields,
    *,
    id_field: str,
    requester: Requester | None,
    end_customer: str | None,
    updated_at: datetime | None,
) -> Ticket:
    """What both forms have in common, by the same names."""
    text, source_cut = to_text(raw_text(fields, "description"))
    text, cut = cut_to_bytes(storable(text), MAX_DESCRIPTION_BYTES)
    return Ticket(
        subject=subject(fields, "subject"),
        ticket_id=ticket_id(fields, id_field),
        description=text,
        description_cut=cut or source_cut,
        requester=requester,
        site=name(fields, "site"),
        end_customer=end_customer,
        category=name(fields, "category"),
        priority=name(fields, "priority"),
        status=name(fields, "status"),
        resolution=resolution(fields, "resolution"),
        created_at=time(fields, "created_time"),
        updated_at=updated_at,
    )


def _requester(fields: Fields) -> Requester | None:
    """An object with a name, an id, an address, or just the name."""
    person = fields.get("requester")
    if person is None:
        return None
    if isinstance(person, str):
        return _known(None, name(fields, "requester"), None)
    if not isinstance(person, dict):
        raise WrongField("requester", "must be text or an object")
    try:
        return _known(name(person, "id"), name(person, "name"), name(person, "email_id") or name(person, "email"))
    except WrongField as wrong:
        raise wrong.within("requester") from None


def _known(person_id: str | None, person_name: str | None, email: str | None) -> Requester | None:
    return Requester(person_id, person_name, email) if person_id or person_name or email else None


def _end_customer(udf_fields: Fields) -> str | None:
    """The first additional field whose name speaks of a customer; desks name these fields themselves."""
    for key, value in udf_fields.items():
        if _CUSTOMER_FIELD.search(key):
            value = value.get("name") if isinstance(value, dict) else value
            if isinstance(value, str) and value.strip():
                return storable(value[:500]).strip()
    return None


def _kind(word: str | None, ticket: Ticket) -> TicketKind:
    """What the sender calls it, else what the ticket's state and times tell."""
    if word and (kind := _OPERATIONS.get(word.lower())):
        return kind
    if ticket.closed:
        return TicketKind.CLOSED
    if ticket.created_at and ticket.updated_at and ticket.updated_at > ticket.created_at:
        return TicketKind.UPDATED
    return TicketKind.CREATED
