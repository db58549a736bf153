"""What a record's signature covers, and how it is written down.

`ed25519;<key id>;<base64>` over topic, partition, key, id, type, tenant, subject, time and the hash of the value, so that a
signed record can't be moved to another topic, tenant or ticket, nor its value exchanged. Source: contracts, *Topics*; RFC 8032.
"""

from __future__ import annotations

import binascii
import struct
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

ALGORITHM = "ed25519"
_LENGTH = struct.Struct(">I").pack


class BadSignatureHeader(ValueError):
    """The header is not of the form `ed25519;<key id>;<base64>`."""


class Signed(NamedTuple):
    """The parts of a record that its signature binds together. `time` is the header's text, `topic` has its prefix."""

    topic: str
    partition: int
    key: bytes
    id: str
    type: str
    tenant_id: str
    subject: str
    time: str
    value: bytes

    def message(self) -> bytes:
        """Each part preceded by its length as 4 bytes big-endian; the value stands as its SHA-256."""
        texts = (self.id, self.type, self.tenant_id, self.subject, self.time)
        parts = [
            self.topic.encode(),
            b"%d" % self.partition,
            self.key,
            *map(str.encode, texts),
            sha256(self.value).digest(),
        ]
        return b"".join([_LENGTH(len(part)) + part for part in parts])


def format_signature(key_id: str, signature: bytes) -> str:
    return f"{ALGORITHM};{key_id};{b64encode(signature).decode()}"


def parse_signature(header: str) -> tuple[str, bytes]:
    """Key id and signature. Raises BadSignatureHeader."""
    algorithm, _, rest = header.partition(";")
    key_id, _, encoded = rest.partition(";")
    if algorithm != ALGORITHM or not key_id or len(header) > 512:
        raise BadSignatureHeader("the signature header is not ed25519;<key id>;<base64>")
    try:
        signature = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignatureHeader("the signature is not base64") from error
    if len(signature) != 64:
        raise BadSignatureHeader("an Ed25519 signature has 64 bytes")
    return key_id, signature
