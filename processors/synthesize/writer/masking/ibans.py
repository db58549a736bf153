"""Bank account numbers: IBAN (ISO 13616) by country length and check digits modulo 97."""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking.spans import Kind, Span

_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]){11,30}")
_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "SI",
    20: "AT EE LT LU",
    21: "CH HR LI LV",
    22: "BG DE GB IE RS",
    23: "AE GI IL",
    24: "AD CZ ES RO SA SE SK",
    25: "PT",
    26: "IS TR",
    27: "FR GR IT MC SM",
    28: "CY HU PL",
    29: "UA",
    31: "MT",
}
_LENGTHS = {country: length for length, countries in _COUNTRIES.items() for country in countries.split()}


def ibans(text: str) -> Iterator[Span]:
    for match in _START.finditer(text):
        length = _LENGTHS.get(match[0][:2].upper())
        end = _end_of(match[0], length) if length else None
        if end is not None and checks(match[0][:end].replace(" ", "").upper()):
            yield Span(match.start(), match.start() + end, Kind.IBAN)


def checks(iban: str) -> bool:
    """Whether the check digits are right; `iban` is upper case without spaces."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _end_of(text: str, length: int) -> int | None:
    """Where the first `length` characters that aren't spaces end; None if there are fewer."""
    seen = 0
    for place, char in enumerate(text, 1):
        seen += char != " "
        if seen == length:
            return place
    return None
