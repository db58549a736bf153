"""A tenant's own certificate authority, for a desk whose certificate no public one signed. Public data: certificates, no keys."""

from __future__ import annotations

import ssl
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

MAX_PEM_CHARS = 32_768
MAX_CERTIFICATES = 16
MAX_CONTEXTS = 256
_HEAD = "-----BEGIN CERTIFICATE-----"


class BadCertificates(ValueError):
    """The text can't vouch for a desk; it says why and what to do."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """`pem` as it is kept, with nothing in it but certificates; `ends` is when the first of them does."""

    pem: str
    subjects: tuple[str, ...]
    fingerprints: tuple[str, ...]
    ends: datetime

    def __str__(self) -> str:
        named = ", ".join(
            f"{subject} (SHA-256 {fingerprint[:16]}…)"
            for subject, fingerprint in zip(self.subjects, self.fingerprints, strict=True)
        )
        return f"{named}, until {self.ends:%Y-%m-%d}"


def read_certificates(text: str, *, now: datetime | None = None) -> Certificates:
    """Raises BadCertificates; with `now`, also for one that has ended."""
    if "PRIVATE KEY" in text:
        raise BadCertificates("holds a private key. Give the certificates alone, and treat that key as known to others")
    if len(text) > MAX_PEM_CHARS:
        raise BadCertificates(f"has more than {MAX_PEM_CHARS} characters. Give the authority's certificates alone")
    if _HEAD not in text:
        raise BadCertificates(f"holds no certificate. Give a PEM file with {_HEAD}")
    try:
        found = x509.load_pem_x509_certificates(text.encode("ascii"))
    except ValueError as error:
        raise BadCertificates(f"can't be read as PEM certificates ({error}). Export them again, as PEM") from error
    if len(found) > MAX_CERTIFICATES:
        raise BadCertificates(
            f"holds {len(found)} certificates, at most {MAX_CERTIFICATES} can be. Give the desk's own"
        )
    read = Certificates(
        "".join(one.public_bytes(Encoding.PEM).decode() for one in found),
        tuple(one.subject.rfc4514_string()[:200] for one in found),
        tuple(one.fingerprint(SHA256()).hex() for one in found),
        min(one.not_valid_after_utc for one in found).astimezone(UTC),
    )
    if now is not None and read.ends <= now:
        raise BadCertificates(f"holds a certificate that ended on {read.ends:%Y-%m-%d}. Give the one in use")
    _context(read.pem)
    return read


class TrustedBy:
    """TLS contexts by certificates: each trusts those alone. Connections are kept apart by context, so that what one tenant's
    authority vouched for is never used for another tenant. The 256 used last are remembered."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    def context(self, pem: str) -> ssl.SSLContext:
        """Raises BadCertificates."""
        key = sha256(pem.encode()).digest()
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = _context(pem)
            if len(self._contexts) > MAX_CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(key)
        return context


def _context(pem: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificates(f"is not taken by OpenSSL ({error}). Export the certificates again, as PEM") from error
