"""What two copies of an event have in common: everything but the time at which we received them."""

from __future__ import annotations

from hashlib import sha256

import orjson

from schemas.events import TicketReceived
from schemas.records import to_record


def fingerprint(event: TicketReceived) -> str:
    """SHA-256 (hex) over what the sender said. The record's own hash won't do: a webhook that the desk sends again, because our
    answer got lost, becomes a record that differs in `received_at`."""
    said = to_record(event)
    del said["received_at"]
    return sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
