"""Webhooks of desks that can't sign: a bearer secret, from listed addresses, and nothing but which ticket changed and when.

Nothing else is taken from such a body: whoever has the secret could write it. enrich asks the desk for the ticket.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from ingest.answers import Refused, wrong_field
from ingest.json_text import WHOLE_DOCUMENT, parse_json
from ingest.ports import TenantAccess
from ingest.request_body import header_values
from ingest.source_address import Network, SourceAddresses
from ingest.verifier import SECRET_PREFIX, BadSecret, raw_key
from schemas import ids
from schemas.events import Ticket, TicketKind, TicketReceived
from sinks.servicedesk import desk_values
from sinks.servicedesk.desk_values import WrongField
from sinks.servicedesk.storable_text import storable

FIELDS = ("ticket_id", "operation", "updated_time")
SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
MAX_TEXT = 64
_AUTHORIZATION = re.compile(rb"(?i:bearer) +([!-~]{8,256})")
_NOBODYS_SECRET = (b"compared when there is no secret, for the time it takes",)


@dataclass(frozen=True, slots=True)
class Offered:
    """What an unsigned webhook came with. `source` is the sender's address."""

    secret: bytes
    source: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """Which ticket changed, and when, by the desk's own words."""

    ticket_id: str
    updated_time: str
    updated_at: datetime | None

    def event(self, tenant_id: str, body: bytes, now: datetime) -> TicketReceived:
        """Holds no content: that is still to be asked for."""
        return TicketReceived(
            event_id=ids.of_bearer_webhook(tenant_id, self.ticket_id, self.updated_time, body),
            tenant_id=tenant_id,
            kind=TicketKind.ANNOUNCED,
            ticket=Ticket(self.ticket_id, "", "", updated_at=self.updated_at),
            received_at=now,
        )


def offered(request: web.Request, sources: SourceAddresses) -> Offered | None:
    """The bearer secret of a request without any header of a signature; None for all others, which are held to their signature.
    Raises Refused (400) for one that is sent twice."""
    if any(name in request.headers for name in SIGNATURE_HEADERS):
        return None
    values = header_values(request, "Authorization")
    found = [match[1] for value in values if (match := _AUTHORIZATION.fullmatch(value))]
    if found and len(values) > 1:
        raise Refused(400, f"Authorization is there {len(values)} times, send it once", reason="signature_headers")
    return Offered(found[0], sources.of(request)) if found else None


def why_not(offer: Offered, tenant: TenantAccess | None) -> tuple[str | None, int | None]:
    """Why the offer is worth nothing, as a word for metrics and logs, or None; and which of the tenant's secrets it is. Everything
    is looked at, whatever is wrong."""
    place = _matching(offer.secret, tenant.secrets if tenant else ())
    listed = tenant is not None and _holds(tenant.bearer_from, offer.source)
    if tenant is None:
        return "unknown_tenant", None
    if not tenant.bearer_from:
        return "bearer_not_approved", None
    if place is None:
        return "bad_bearer", None
    return (None if listed else "bearer_source"), place


def parse_announcement(body: bytes) -> Announcement:
    """Raises Refused: 400 for what is no JSON, 422 with the field's path for what is missing, wrong, or more than may be said."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise wrong_field(WHOLE_DOCUMENT, "must be an object")
    if further := next((name for name in document if name not in FIELDS), None):
        raise wrong_field(
            storable(further[:MAX_TEXT]), f"is not taken from an unsigned webhook; send only {', '.join(FIELDS)}"
        )
    try:
        ticket_id = desk_values.ticket_id(document, "ticket_id")
        _require_word(document)
        return Announcement(ticket_id, _text(document, "updated_time"), desk_values.time(document, "updated_time"))
    except WrongField as wrong:
        raise wrong_field(wrong.path, str(wrong)) from None


def _matching(secret: bytes, keys: Sequence[bytes]) -> int | None:
    """Compares with every key, whichever fits. The secret may be given in either form in which it is shown."""
    if secret.startswith(SECRET_PREFIX.encode()):
        with suppress(BadSecret):
            secret = raw_key(secret.decode("ascii"))
    matched = [hmac.compare_digest(secret, key) for key in (keys or _NOBODYS_SECRET)]
    return matched.index(True) if keys and any(matched) else None


def _require_word(document: dict[str, Any]) -> None:
    """What happened, which the desk's own state tells better: looked at for its form only."""
    value = document.get("operation")
    if value is not None and not (isinstance(value, str) and len(value) <= MAX_TEXT):
        raise WrongField("operation", f"must be text of at most {MAX_TEXT} characters")


def _text(document: dict[str, Any], field: str) -> str:
    """As the desk writes it: it makes the event's id, so that an update is one event however often it is sent."""
    value = document.get(field)
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.strip() or len(text) > MAX_TEXT or text != storable(text):
        raise WrongField(field, f"must be text of 1-{MAX_TEXT} characters" if field in document else "is missing")
    return text.strip()


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Of a tenant's setting. Raises ValueError."""
    return tuple(SourceAddresses.parse(texts).trusted)


def _holds(listed: Sequence[Network], source: str) -> bool:
    try:
        address = ip_address(source)
    except ValueError:
        return False
    return any(address in network for network in listed)
