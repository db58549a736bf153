"""Private key blocks: PEM (RFC 7468) and OpenSSH, also when the end is cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_NOT_KEY = re.compile(r"\n[ \t]*\n[^\n]{0,200}[a-z] [a-z]")  # prose after a blank line


def private_keys(text: str) -> Iterator[Span]:
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = _END.search(text, begin.end())
        prose = None if end else _NOT_KEY.search(text, begin.end())
        at = end.end() if end else prose.start() if prose else len(text)
        yield Span(begin.start(), at, Kind.PRIVATE_KEY)
