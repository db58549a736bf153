"""Secrets that servers say back: what a desk says of a failure goes into logs, holds, dead letters and the audit log."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 8
"""A shorter secret is none, and masking it would make a text unreadable."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, as they are or encoded as in a URL, a form or JSON. To be called before a text is cut: a part
    of a secret is not found."""
    for form in _forms(secrets):
        text = text.replace(form, MASK)
    return text


def masked_bytes(body: bytes, secrets: Iterable[str]) -> bytes:
    """The same for what was received."""
    for form in _forms(secrets):
        body = body.replace(form.encode(), MASK.encode())
    return body


def _forms(secrets: Iterable[str]) -> Iterable[str]:
    for secret in secrets:
        if len(secret) >= SHORTEST:
            yield from dict.fromkeys(
                (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), secret.replace("/", "\\/"))
            )
