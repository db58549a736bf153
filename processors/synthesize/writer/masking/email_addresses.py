"""E-mail addresses (the common form of RFC 5321: dot-atom, domain with a top level)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_ADDRESS = re.compile(
    r"(?<![\w.+-])[\w.!#$%&'*+/=?^`|~-]{0,63}\w@(?:[\w](?:[\w-]{0,62})\.){1,8}[^\W\d_][\w-]{1,62}(?!\w)"
)


def email_addresses(text: str) -> Iterator[Span]:
    if "@" not in text:
        return
    for match in _ADDRESS.finditer(text):
        yield Span(match.start(), match.end(), Kind.EMAIL)
