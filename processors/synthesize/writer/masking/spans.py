"""What a rule finds: a stretch of text and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Ordered: where two findings overlap, the earlier kind names the whole."""

    PRIVATE_KEY = "PRIVATE_KEY"
    PASSWORD = "PASSWORD"  # noqa: S105 — the kind, not one
    TOKEN = "TOKEN"  # noqa: S105 — the same
    CARD = "CARD"
    IBAN = "IBAN"
    EMAIL = "EMAIL"
    PHONE = "PHONE"

    @property
    def rank(self) -> int:
        return list(Kind).index(self)

    @property
    def comes_back(self) -> bool:
        """Whether the value may be put back into an answer. A technician needs the number to ring; nobody needs a password."""
        return self in (Kind.EMAIL, Kind.PHONE)

    @property
    def removed(self) -> str:
        """What a reader sees in the value's place."""
        return f"({self.value.lower().replace('_', ' ')} removed)"


REMOVED = tuple(form for kind in Kind for form in (kind.removed, f"{{{kind.value}_"))
"""How something masked begins: it isn't masked again."""


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int
    kind: Kind


_CASED_ALIKE = {0x130: "i", 0x131: "i", 0x17F: "s", 0x212A: "k"}


def folded(text: str) -> str:
    """In lower case as IGNORECASE sees it, where İ, ı, ſ and the Kelvin sign are i, s and k: for asking whether a text has a word
    at all before a costly pattern looks for where. Places in it are not those in the text."""
    return text.lower() if text.isascii() else text.translate(_CASED_ALIKE).lower()


Rule = Callable[[str], Iterator[Span]]
"""Finds spans in any order. Linear in the text's length: no nested or unbounded repetition in a pattern."""
