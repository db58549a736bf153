"""A webhook's body as a ticket."""

from __future__ import annotations

from ingest.answers import wrong_field
from ingest.json_text import WHOLE_DOCUMENT, parse_json
from sinks.servicedesk.desk_values import WrongField
from sinks.servicedesk.ticket_reading import TicketBody, read_ticket


def parse_ticket(body: bytes) -> TicketBody:
    """The ticket that the bytes describe. Raises Refused: 400 if they are no JSON, 422 with the field's path otherwise."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise wrong_field(WHOLE_DOCUMENT, "must be an object")
    try:
        return read_ticket(document)
    except WrongField as wrong:
        raise wrong_field(wrong.path, str(wrong)) from None
