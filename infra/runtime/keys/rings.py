"""Key rings: what encrypts secrets at rest and authenticates feedback links.

A ring is written `id:base64[,id:base64]`: the first key encrypts, every key decrypts, so a key is changed by putting the new one
in front and re-encrypting at leisure. AES-256-GCM (NIST SP 800-38D, nonce of 12 random bytes); tenant and column are the
additional data, so that a ciphertext copied to another tenant or column doesn't decrypt.
"""

from __future__ import annotations

import binascii
import hmac
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12
CURE = "Make one with: ticketstream key create --ring"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MAC_PURPOSE = b"ticketstream mac v1"


class KeyRingError(Exception):
    """A ring that can't be read, or a stored value that its keys don't open. The text names the cure, never a secret."""


@dataclass(frozen=True)
class _Key:
    id: str
    secret: bytes = field(repr=False)

    @cached_property
    def cipher(self) -> AESGCM:
        return AESGCM(self.secret)

    @cached_property
    def mac_key(self) -> bytes:
        """A subkey, so that MACs and ciphertexts never share a key."""
        return hmac.digest(self.secret, _MAC_PURPOSE, sha256)


class KeyRing:
    """Immutable; safe to share."""

    def __init__(self, keys: tuple[_Key, ...], *, nonce: Callable[[int], bytes] = os.urandom) -> None:
        self._keys = {key.id: key for key in keys}
        self._first = keys[0]
        self._nonce = nonce

    @classmethod
    def parse(cls, text: str, *, variable: str) -> KeyRing:
        """The ring that the environment variable `variable` holds. Raises KeyRingError."""
        keys = tuple(_parse_key(part.strip(), variable) for part in text.split(",") if part.strip())
        if not keys:
            raise KeyRingError(f"{variable}: holds no key. {CURE}")
        if len({key.id for key in keys}) != len(keys):
            raise KeyRingError(f"{variable}: two keys have the same id. Give each key an id of its own.")
        return cls(keys)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The first encrypts."""
        return tuple(self._keys)

    def encrypt(self, plaintext: bytes, *, tenant_id: str, column: str) -> str:
        """`v1.<key id>.<base64(nonce + ciphertext + tag)>`, readable only for the same tenant and column."""
        nonce = self._nonce(NONCE_BYTES)
        sealed = self._first.cipher.encrypt(nonce, plaintext, _bound_to(tenant_id, column))
        return f"{VERSION}.{self._first.id}.{b64encode(nonce + sealed).decode()}"

    def decrypt(self, stored: str, *, tenant_id: str, column: str) -> bytes:
        """Raises KeyRingError: unknown form, a key that isn't in the ring, or a value that was changed or moved."""
        version, _, rest = stored.partition(".")
        key_id, _, encoded = rest.partition(".")
        where = f"{column} of tenant {tenant_id!r}"
        if version != VERSION:
            raise KeyRingError(f"{where} is stored in a form this version can't read. Upgrade ticketstream.")
        if key_id not in self._keys:
            raise KeyRingError(
                f"{where} is encrypted with key {key_id!r}, which the key ring lacks. Add that key to the ring."
            )
        try:
            data = b64decode(encoded, validate=True)
            return self._keys[key_id].cipher.decrypt(
                data[:NONCE_BYTES], data[NONCE_BYTES:], _bound_to(tenant_id, column)
            )
        except (binascii.Error, ValueError, InvalidTag) as error:
            cure = "Set the secret again; if nobody changed the row by hand, tell security."
            raise KeyRingError(f"{where} doesn't decrypt: it was changed or moved. {cure}") from error

    def mac(self, message: bytes) -> tuple[str, bytes]:
        """Key id and HMAC-SHA256 (32 bytes) under a subkey of the first key."""
        return self._first.id, hmac.digest(self._first.mac_key, message, sha256)

    def verify_mac(self, key_id: str, message: bytes, mac: bytes) -> bool:
        """Compared in constant time; False also for a key that isn't in the ring."""
        key = self._keys.get(key_id)
        return key is not None and hmac.compare_digest(hmac.digest(key.mac_key, message, sha256), mac)


def new_ring_key(key_id: str) -> str:
    """A random key as a ring writes it: `id:base64`."""
    if not _KEY_ID.fullmatch(key_id):
        raise KeyRingError(f"key id {key_id!r}: use 1-32 of A-Z a-z 0-9 _ -")
    return f"{key_id}:{b64encode(os.urandom(KEY_BYTES)).decode()}"


def _parse_key(text: str, variable: str) -> _Key:
    key_id, colon, encoded = text.partition(":")
    if not colon or not _KEY_ID.fullmatch(key_id):
        # the text itself may be a secret that lacks its id: it must not reach a log
        raise KeyRingError(f"{variable}: a key is not of the form id:base64. {CURE}")
    try:
        secret = b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyRingError(f"{variable}: key {key_id!r} is not base64. {CURE}") from error
    if len(secret) != KEY_BYTES:
        raise KeyRingError(f"{variable}: key {key_id!r} is {len(secret)} bytes, expected {KEY_BYTES}. {CURE}")
    return _Key(key_id, secret)


def _bound_to(tenant_id: str, column: str) -> bytes:
    return f"{tenant_id}\0{column}".encode()
