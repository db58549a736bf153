"""Phone numbers: international (`+44 20 7946 0018`, `0049 …`), after a key word, and the national forms that show by their
punctuation. Bare runs of digits stay: they are ticket numbers, event ids and error codes far more often.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_GROUPED = r"\d(?:[ \u00a0\u2009\u202f./()-]{0,2}\d)"
_INTERNATIONAL = re.compile(rf"(?<![\w+.-])(?:\+|00)(?:\(?{_GROUPED}{{7,14}})(?![\w])")
_AFTER_WORD = re.compile(
    r"(?<!\w)(?:tel(?:efon|ephone|efoon|efono)?|phone|mobile?|mobil|cell|handy|fax|durchwahl"
    r"|rückruf|telefonnr|rufnummer|call(?: me)?(?: back)?"
    r"|ring(?: me)?|reach me|anrufen|dial)\b(?:[ \t]{0,8}(?:no|nr|number|nummer|on|at|under|unter|auf|via|is|ist)\b\.?){0,2}"
    rf"[ \t]{{0,8}}[.:]?[ \t]{{0,8}}(?P<value>\(?{_GROUPED}{{5,14}})(?![\w])",
    re.IGNORECASE,
)
_VALUE = re.compile(rf"{_GROUPED}{{5}}")  # quickly found, or not, unlike the words before it
_AMERICAN = re.compile(r"(?<![\w.-])(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?![\w-])(?!\.\d)")
_TRUNK = re.compile(r"(?<![\w.:/-])\(?0[1-9]\d{1,4}\)?[ /-]{1,3}\d{2,5}(?:[ -]?\d{2,5}){1,3}(?![\w:.-]|\.\d)")
_PAIRS = re.compile(  # 06 12 34 56 78
    r"(?<![\w.:/-])(?<!\d[ \u00a0])0[1-9]([ .\u00a0\u202f-])\d\d(?:\1\d\d){3}(?![\w:-]|[ .]\d)"
)
_DATE_OR_ADDRESS = re.compile(
    r"(?:19|20)\d\d[-/.]\d\d[-/.]\d\d|(?<!\d)\d{1,2}[./]\d{1,2}[./]\d{2,4}(?!\d)|(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)"
)


def phones(text: str) -> Iterator[Span]:
    for match in _INTERNATIONAL.finditer(text):
        if not _hexlike(match) and not _DATE_OR_ADDRESS.search(match[0]):
            yield Span(match.start(), match.end(), Kind.PHONE)
    for match in _AFTER_WORD.finditer(text) if _VALUE.search(text) else ():
        if not _DATE_OR_ADDRESS.search(match["value"]):
            yield Span(match.start("value"), match.end("value"), Kind.PHONE)
    for match in _PAIRS.finditer(text):
        yield Span(match.start(), match.end(), Kind.PHONE)
    for pattern in (_AMERICAN, _TRUNK):
        for match in pattern.finditer(text):
            if not _DATE_OR_ADDRESS.search(match[0]):
                yield Span(match.start(), match.end(), Kind.PHONE)


def _hexlike(match: re.Match[str]) -> bool:
    """`0000011b`, `00:1a:…`, padded counters: zeros that open no country code."""
    digits = re.sub(r"\D", "", match[0])
    return match[0].startswith("00") and (digits.startswith("000") or (match[0].isdigit() and len(digits) < 11))
