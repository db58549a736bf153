"""Payment card numbers: a scheme's prefix and length (ISO/IEC 7812) and a right check digit (Luhn)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_DIGITS = re.compile(
    r"(?<![^\W_])(?<![.+-])"
    r"(?:\d{4}\.\d{4}\.\d{4}\.\d{1,7}|\d{4}\.\d{6}\.\d{4,5}|\d(?:[ \u00a0\u2009\u202f-]?\d){12,18})"
    r"(?![\w-])(?!\.\d)"
)
_ENOUGH = re.compile(r"\d[\d \u00a0\u2009\u202f.-]{12}")  # quickly found, or not
_SCHEMES = (
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|64[4-9]|65|62"), (16, 17, 18, 19)),  # Discover, UnionPay
    (re.compile(r"3(?:0[0-5]|[689])"), (14, 16)),  # Diners
    (re.compile(r"35(?:2[89]|[3-8])"), (16,)),  # JCB
    (re.compile(r"50|5[6-8]|6304|67"), (16, 18, 19)),  # Maestro
)


def cards(text: str) -> Iterator[Span]:
    for match in _DIGITS.finditer(text) if _ENOUGH.search(text) else ():
        digits = "".join(str(int(char)) for char in match[0] if char.isdecimal())
        if _of_a_scheme(digits) and luhn(digits):
            yield Span(match.start(), match.end(), Kind.CARD)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    doubled = [int(digit) * 2 if place % 2 else int(digit) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _of_a_scheme(digits: str) -> bool:
    return any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _SCHEMES)
