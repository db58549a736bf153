"""Ids. Event ids are derived, never drawn: the same input gives the same id, so a repetition can be recognised everywhere.

UUIDv5 (RFC 9562, section 5.5) in one fixed namespace; the parts of a name are separated by NUL, which none of them may hold.
"""

from __future__ import annotations

import re
from hashlib import sha1, sha256
from uuid import UUID

NAMESPACE = UUID("6f1d8b54-6c0f-5b86-9c37-2f0c7d1a4e90")
_NAMESPACE_BYTES = NAMESPACE.bytes


_DESK_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_desk_id(text: str) -> bool:
    """Whether a desk's id of a ticket or note is one that may stand in a path: nothing that leads out of it, as `..` would."""
    return _DESK_ID.fullmatch(text) is not None and text.strip(".") != ""


def derive(*parts: str) -> str:
    """The id named by these parts. Raises ValueError if a part holds NUL, since two names could then be the same."""
    name = "\0".join(parts)
    if name.count("\0") != len(parts) - 1:
        raise ValueError("a part of an event id's name must not hold NUL")
    digest = bytearray(sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80  # version 5, variant of the RFC
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"  # a third of what uuid.uuid5 costs


def of_webhook(tenant_id: str, webhook_id: str) -> str:
    return derive(tenant_id, webhook_id)


def of_bearer_webhook(tenant_id: str, ticket_id: str, updated_time: str, body: bytes) -> str:
    """For desks that send no webhook-id: the same ticket, time and body are the same event."""
    return derive(tenant_id, ticket_id, updated_time, sha256(body).hexdigest())


def of_reconciled(tenant_id: str, ticket_id: str, content_hash: str) -> str:
    return derive(tenant_id, ticket_id, content_hash)


def of_output(input_id: str, stage: str) -> str:
    """What a stage emits for an input."""
    return derive(input_id, stage)


def of_replayed(original_id: str, replay_run: str) -> str:
    return derive(original_id, replay_run)
