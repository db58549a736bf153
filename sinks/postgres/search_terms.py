"""Exact tokens of a text: what a technician would search for letter by letter: addresses, host names, error codes.

They are kept as lexemes of their own (`=qml-dms01`), since a stemmer knows none of them and a parser takes them apart.
"""

from __future__ import annotations

import re
from functools import lru_cache

from schemas.network_names import REMEMBERED_LENGTH, REMEMBERED_TEXTS, addresses, hostnames

MAX_TOKENS = 40
MARK = "="

_CODE = re.compile(
    r"\b(?:0x[0-9A-Fa-f]{4,16}|[A-Z]{2,12}[-_]?[0-9]{3,8}|[45]\.[0-9]\.[0-9]{1,3}|[0-9]{3,5}(?=\s+error))\b"
)
_BEHIND_WORD = re.compile(r"\b(?:error|event id|code|fehler)\s*:?\s*#?([0-9]{2,8})\b", re.IGNORECASE)


def exact_tokens(text: str) -> list[str]:
    """Lower case with their mark, each once, at most 40, codes first."""
    return list(_remembered(text) if len(text) <= REMEMBERED_LENGTH else _exact_tokens(text))


def _exact_tokens(text: str) -> tuple[str, ...]:
    codes = [
        *(match.group() for match in _CODE.finditer(text)),
        *(match.group(1) for match in _BEHIND_WORD.finditer(text)),
    ]
    found = [*codes, *(str(address) for address in addresses(text)), *hostnames(text)]
    return tuple(MARK + token for token in list(dict.fromkeys(token.lower() for token in found))[:MAX_TOKENS])


_remembered = lru_cache(REMEMBERED_TEXTS)(_exact_tokens)
