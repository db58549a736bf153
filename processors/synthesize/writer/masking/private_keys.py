"""Private key blocks: PEM (RFC 7468), OpenSSH and PuTTY, also when the end is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_PUTTY = re.compile(
    r"PuTTY-User-Key-File-\d{1,2}:[^\n]{0,200}"
    r"(?:\n[ \t>]{0,8}(?:[A-Z][A-Za-z0-9-]{1,30}:[^\n]{0,300}|[A-Za-z0-9+/=]{4,200}[ \t\r]{0,8}(?=\n|\Z))){0,600}"
)
_NOT_KEY = re.compile(r"\n[ \t]{0,40}\n[^\n]{0,200}[a-z] [a-z]")  # prose after a blank line


def private_keys(text: str) -> Iterator[Span]:
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = _END.search(text, begin.end())
        prose = None if end else _NOT_KEY.search(text, begin.end())
        at = end.end() if end else prose.start() if prose else len(text)
        yield Span(begin.start(), at, Kind.PRIVATE_KEY)
    for block in _PUTTY.finditer(text):
        yield Span(block.start(), block.end(), Kind.PRIVATE_KEY)
