"""Standard Webhooks 1.0 over raw bytes: bytes in, verdict out, nothing a sender writes raises.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md. The project's own Python
verifier raises four kinds of errors on hostile input and takes sloppy timestamps, hence this one.
"""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

TOLERANCE_SECONDS = 300
MAX_ID_BYTES = 256
MAX_SIGNATURE_BYTES = 2048
SECRET_PREFIX = "whsec_"  # noqa: S105 — what a secret starts with, not a secret
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64

_ID = re.compile(rb"[!-~]{1,256}")
_INTEGER = re.compile(rb"-?[0-9]{1,19}")
_NOBODYS_KEY = (b"compared when there is no secret, for the time it takes",)


class BadSecret(ValueError):
    """A webhook secret that isn't one; the text doesn't repeat it."""


class Verdict(StrEnum):
    VALID = "valid"
    STALE = "stale"
    WRONG = "wrong"


class Checked(NamedTuple):
    """`key` is the place of the key that signed; None for WRONG."""

    verdict: Verdict
    key: int | None


class SignedHeaders(NamedTuple):
    """The three headers, well-formed; whether they are true is for `verify` to say."""

    webhook_id: bytes
    timestamp: bytes
    signatures: bytes


def read_headers(ids: Sequence[bytes], timestamps: Sequence[bytes], signatures: Sequence[bytes]) -> SignedHeaders | str:
    """The headers from every value each of them has in the request, or what is wrong with them, fit to be shown."""
    for name, values in (("webhook-id", ids), ("webhook-timestamp", timestamps), ("webhook-signature", signatures)):
        if len(values) != 1:
            return f"{name} is there {len(values)} times, send it once" if values else f"{name} is missing"
        if not values[0]:
            return f"{name} is empty"
    if not _ID.fullmatch(ids[0]):
        return f"webhook-id must be 1-{MAX_ID_BYTES} visible ASCII characters"
    if not _INTEGER.fullmatch(timestamps[0]):
        return "webhook-timestamp must be a whole number of seconds since 1970"
    if len(signatures[0]) > MAX_SIGNATURE_BYTES:
        return f"webhook-signature is longer than {MAX_SIGNATURE_BYTES} bytes"
    return SignedHeaders(ids[0], timestamps[0], signatures[0])


def verify(headers: SignedHeaders, body: bytes, keys: Sequence[bytes], now: float) -> Verdict:
    """Whether one of the raw `keys` signed this body at a time within 300 s of `now`, either way: `check` without the key."""
    return check(headers, body, keys, now).verdict


def check(headers: SignedHeaders, body: bytes, keys: Sequence[bytes], now: float) -> Checked:
    """Which of the raw `keys` signed this body at a time within 300 s of `now`, either way.

    WRONG goes before STALE: only who holds a key learns (in our logs) that a clock is off. Without keys the answer is WRONG and
    takes as long.
    """
    signed = b"%b.%b.%b" % (headers.webhook_id, headers.timestamp, body)
    offered = [part[3:] for part in headers.signatures.split(b" ") if part.startswith(b"v1,")]
    matched = _all_compared(signed, offered, keys or _NOBODYS_KEY)
    if not (any(matched) and keys):
        return Checked(Verdict.WRONG, None)
    stale = abs(now - int(headers.timestamp)) > TOLERANCE_SECONDS
    return Checked(Verdict.STALE if stale else Verdict.VALID, matched.index(True))


def signature(key: bytes, webhook_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    """The header's value for one key: `v1,<base64>`."""
    return b"v1," + _encoded(key, b"%b.%b.%b" % (webhook_id, timestamp, body))


def raw_key(secret: str) -> bytes:
    """The HMAC key of a secret as it is shown: `whsec_` and base64. Raises BadSecret."""
    if not secret.startswith(SECRET_PREFIX):
        raise BadSecret("a webhook secret starts with whsec_")
    try:
        key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSecret("what follows whsec_ is not base64") from error
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise BadSecret(f"a webhook secret has {MIN_KEY_BYTES}-{MAX_KEY_BYTES} bytes, this one {len(key)}")
    return key


def _all_compared(signed: bytes, offered: Iterable[bytes], keys: Sequence[bytes]) -> list[bool]:
    """By key, whether it made one of the signatures. Compares base64 texts, of which only the canonical one fits; looks at every
    pair, whichever fits."""
    matched = [False] * len(keys)
    for place, key in enumerate(keys):
        expected = _encoded(key, signed)
        for candidate in offered:
            matched[place] |= hmac.compare_digest(expected, candidate)
    return matched


def _encoded(key: bytes, signed: bytes) -> bytes:
    return binascii.b2a_base64(hmac.digest(key, signed, "sha256"), newline=False)
