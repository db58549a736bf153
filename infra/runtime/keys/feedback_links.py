"""The token in a note's feedback link: which note of whom, until when, under a MAC. It says nothing of the ticket but its id.

Layout, base64url without padding: version (1 byte), expiry (4, seconds since 1970), enhancement id (16, a UUID), then key id,
tenant id and ticket id, each preceded by its length (1), then HMAC-SHA256 (32) over all before it. About 105 characters.
"""

from __future__ import annotations

import binascii
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

VALID_FOR = timedelta(days=30)
MAX_TOKEN_CHARACTERS = 400

_VERSION = 1
_HEAD = struct.Struct(">BI16s")
_MAC_BYTES = 32
_PURPOSE = b"feedback link\0"
"""In front of what is authenticated, so that no MAC made for something else can pass for a link's."""


class MacRing(Protocol):
    """The part of `KeyRing` that links need."""

    @property
    def key_ids(self) -> tuple[str, ...]: ...
    def mac(self, message: bytes) -> tuple[str, bytes]: ...
    def verify_mac(self, key_id: str, message: bytes, mac: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class FeedbackLink:
    """What a link is about. `expires_at` is kept in whole seconds."""

    tenant_id: str
    enhancement_id: str
    ticket_id: str
    expires_at: datetime

    @classmethod
    def to(cls, *, tenant_id: str, enhancement_id: str, ticket_id: str, now: datetime) -> FeedbackLink:
        """A link that is valid for 30 days."""
        return cls(tenant_id, enhancement_id, ticket_id, (now + VALID_FOR).replace(microsecond=0))


def make_link_token(ring: MacRing, link: FeedbackLink) -> str:
    """URL-safe text. Raises ValueError for an enhancement id that is no UUID or a tenant or ticket id above 64 bytes."""
    names = (ring.key_ids[0], link.tenant_id, link.ticket_id)
    if any(not 1 <= len(name.encode()) <= 64 for name in names):
        raise ValueError("tenant and ticket ids in feedback links have 1-64 bytes")
    head = _HEAD.pack(_VERSION, int(link.expires_at.timestamp()), UUID(link.enhancement_id).bytes)
    payload = head + b"".join(bytes([len(name.encode())]) + name.encode() for name in names)
    _, mac = ring.mac(_PURPOSE + payload)
    return urlsafe_b64encode(payload + mac).rstrip(b"=").decode()


def read_link_token(ring: MacRing, text: str, now: datetime) -> FeedbackLink | None:
    """The link, or None for a token that is forged, torn, expired, or made with a key that the ring lacks."""
    data = _decoded(text)
    if len(data) < _HEAD.size + _MAC_BYTES or data[0] != _VERSION:
        return None
    payload, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    names = _names(payload[_HEAD.size :])
    if names is None or not ring.verify_mac(names[0], _PURPOSE + payload, mac):
        return None
    _, expires, enhancement = _HEAD.unpack_from(payload)
    link = FeedbackLink(names[1], str(UUID(bytes=enhancement)), names[2], datetime.fromtimestamp(expires, UTC))
    return link if now < link.expires_at else None


def _decoded(text: str) -> bytes:
    """Only the canonical text of a token counts, so that a token has one form."""
    if len(text) > MAX_TOKEN_CHARACTERS or not text.isascii():
        return b""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
    return data if urlsafe_b64encode(data).rstrip(b"=").decode() == text else b""


def _names(data: bytes) -> tuple[str, str, str] | None:
    names: list[str] = []
    try:
        while data:
            length = data[0]
            if len(data) <= length:
                return None
            names.append(data[1 : 1 + length].decode("utf-8"))
            data = data[1 + length :]
    except UnicodeDecodeError:
        return None
    return (names[0], names[1], names[2]) if len(names) == 3 else None
