"""A service's private signing key: Ed25519 (RFC 8032) in a PKCS8 PEM file that names its service in the text above the key.

RFC 7468, section 2, lets explanatory text stand before the encapsulation boundary; `Service: <name>` is ours, and so is
`Not-Before: <time>` in files of further keys: what one signs before every reader knows it is a wrong signature to some. Files are
read and written by `cryptography`; signing and verifying are libsodium's, at half OpenSSL's time (24 against 42 µs, 62 against
123).
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nacl import bindings as sodium
from nacl.exceptions import BadSignatureError

from schemas.times import rfc3339

CURE = "Make one with: ticketstream key create"
SIGNATURE_BYTES, PUBLIC_KEY_BYTES = 64, 32
_LABEL, _START = "Service:", "Not-Before:"
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP  # a group may read: Kubernetes mounts secrets 0440 with an fsGroup


class SigningKeyError(Exception):
    """The key file is missing, too open or not what it should be. The text names the cure."""


class SigningKey:
    """`service` and `key_id` ("<service>-<first 12 hex digits of SHA-256 of the public key>") say who signs."""

    def __init__(self, service: str, private_key: Ed25519PrivateKey) -> None:
        self._private = private_key
        self.service = service
        self.public_key_bytes = private_key.public_key().public_bytes_raw()
        self._secret = private_key.private_bytes_raw() + self.public_key_bytes  # libsodium's form of an expanded key
        self.key_id = key_id(service, self.public_key_bytes)

    @classmethod
    def create(cls, service: str) -> SigningKey:
        return cls(service, Ed25519PrivateKey.generate())

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, service: str | None = None, now: datetime | None = None
    ) -> SigningKey:
        """The key in the file. With `service`, a key of another service is refused; so is one whose time hasn't come. Raises
        SigningKeyError."""
        file = Path(path)
        data = _read_private(file)
        _refuse_before_its_time(file, data, now or datetime.now(UTC))
        named = _line_above_key(data, _LABEL)
        if service is not None and named is not None and named != service:
            raise SigningKeyError(f"{file}: this is the key of service {named!r}, expected {service!r}. {CURE}")
        owner = service or named
        if owner is None:
            raise SigningKeyError(f"{file}: lacks the line '{_LABEL} <name>' above the key. {CURE}")
        try:
            private = serialization.load_pem_private_key(data, password=None)
        except (ValueError, TypeError) as error:
            raise SigningKeyError(f"{file}: is not an unencrypted PKCS8 PEM key. {CURE}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise SigningKeyError(f"{file}: is not an Ed25519 key. {CURE}")
        return cls(owner, private)

    def save(self, path: str | os.PathLike[str], *, not_before: datetime | None = None) -> None:
        """Writes the file with mode 0600, which `load` refuses before `not_before`. Raises FileExistsError rather than replace a
        key."""
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            start = f"{_START} {rfc3339(not_before)}\n" if not_before else ""
            file.write(f"{_LABEL} {self.service}\nKey-Id: {self.key_id}\n{start}".encode() + pem)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return sodium.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id!r})"


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the private half of `public_key` (32 bytes) made this signature over this message. Nothing makes it raise."""
    if len(signature) != SIGNATURE_BYTES or len(public_key) != PUBLIC_KEY_BYTES:
        return False
    try:
        sodium.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def key_id(service: str, public_key: bytes) -> str:
    return f"{service}-{sha256(public_key).hexdigest()[:12]}"


def _read_private(file: Path) -> bytes:
    try:
        mode = file.stat().st_mode
        data = file.read_bytes()
    except OSError as error:
        raise SigningKeyError(f"{file}: can't be read ({error.strerror}). {CURE}") from error
    if mode & _TOO_OPEN:
        raise SigningKeyError(
            f"{file}: mode {stat.S_IMODE(mode):04o} lets others read or change it. Do: chmod 600 {file}"
        )
    return data


def _line_above_key(data: bytes, label: str) -> str | None:
    for line in data.decode("utf-8", "replace").splitlines():
        if line.startswith("-----BEGIN"):
            break
        if line.startswith(label):
            return line.removeprefix(label).strip() or None
    return None


def _refuse_before_its_time(file: Path, data: bytes, now: datetime) -> None:
    written = _line_above_key(data, _START)
    if written is None:
        return
    try:
        start = datetime.fromisoformat(written).astimezone(UTC)
    except ValueError:
        raise SigningKeyError(f"{file}: the line '{_START}' has no time. {CURE}") from None
    if now < start:
        raise SigningKeyError(
            f"{file}: this key may sign from {start:%Y-%m-%d %H:%M:%S} UTC on, when every reader knows it. "
            "Go on with the key before it until then."
        )
