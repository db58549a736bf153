"""How well a piece of evidence fits a ticket, by the words and codes that both have.

The sources rank what they found, but a search always finds something. A technician is better served by "nothing fits" than by an
article that shares one word, so what is quoted must pass here too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log

from processors.synthesize.writer.builtin.stopwords import STOPWORDS
from processors.synthesize.writer.writer import Evidence
from schemas.events import Ticket

_TOKEN = re.compile(r"[^\W_]+(?:[._:/-][^\W_]+)*")
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "en", "es", "ed", "s")
CODE_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Bar:
    """What evidence must reach: a share of the ticket's weight, and so many terms (a code counts threefold)."""

    fit: float
    shared: int

    def reached_by(self, found: Ranked) -> bool:
        return found.fit >= self.fit and found.shared >= self.shared


# Found on the demo's tickets: of 71, the best article is right wherever it is strong. An article, being long, shares words easily.
USABLE = {"article": (Bar(0.25, 8), Bar(0.45, 5)), "ticket": (Bar(0.25, 4),)}
STRONG = {"article": Bar(0.40, 8), "ticket": Bar(0.38, 5)}


@dataclass(frozen=True, slots=True)
class Ranked:
    """`fit` is 0 to 1 and more: the share of the ticket's weight that the evidence covers, raised by the source's own rank."""

    evidence: Evidence
    fit: float
    shared: int

    @property
    def strong(self) -> bool:
        return STRONG[self._sort].reached_by(self)

    @property
    def usable(self) -> bool:
        return any(bar.reached_by(self) for bar in USABLE[self._sort])

    @property
    def _sort(self) -> str:
        return "article" if self.evidence.item.kind == "article" else "ticket"


@lru_cache(maxsize=1024)
def terms(text: str) -> frozenset[str]:
    """Stems of the words that say something, and codes (with a digit) as they are; parts of compound tokens count too."""
    found: set[str] = set()
    for token in _TOKEN.findall(text.lower()):
        parts = [token] if token.isalnum() else [token, *re.split(r"[._:/-]", token)]
        found.update(_stem(part) for part in parts if _says_something(part))
    return frozenset(found)


def is_code(term: str) -> bool:
    """An error code, event id, address or host name rather than a word."""
    return any(char.isdigit() for char in term) and len(term) >= 3


class Yardstick:
    """What a ticket asks for, each term with its weight: rare among all the evidence, a code, or in the subject counts more."""

    def __init__(self, ticket: Ticket, evidence: Sequence[Evidence]) -> None:
        self._texts = {one.number: terms(f"{one.item.title} {one.item.excerpt}") for one in evidence}
        self._frequency = Counter(term for text in self._texts.values() for term in text)
        subject = terms(ticket.subject)
        self._weights = {
            term: self._weight(term) * (1.5 if term in subject else 1.0)
            for term in subject | terms(ticket.description[:4000])
        }
        self._known = sum(weight for term, weight in self._weights.items() if self._frequency[term]) or 1.0

    def learn(self, text: str, share: float) -> None:
        """Terms of a solved ticket that is much alike: what solved it tells which article is about the same."""
        for term in terms(text) - self._weights.keys():
            self._weights[term] = self._weight(term) * share
            self._known += self._weights[term] if self._frequency[term] > 1 else 0.0

    def ranked(self, evidence: Sequence[Evidence]) -> list[Ranked]:
        """The best fit first."""
        found = [self._measured(one, place) for place, one in enumerate(evidence)]
        return sorted(found, key=lambda one: -one.fit)

    def _measured(self, evidence: Evidence, place: int) -> Ranked:
        shared = self._weights.keys() & self._texts[evidence.number]
        titled = self._weights.keys() & terms(evidence.item.title)
        covered = sum(self._weights[term] for term in shared) + 0.5 * sum(self._weights[term] for term in titled)
        strength = sum(CODE_WEIGHT if is_code(term) else 1.0 for term in shared)
        return Ranked(evidence, covered / self._known * (1 + 0.3 / (1 + place)), round(strength))

    def _weight(self, term: str) -> float:
        rarity = log(1 + (len(self._texts) + 1) / (self._frequency[term] + 0.5))
        return rarity * (CODE_WEIGHT if is_code(term) else 1.0)


def similar(first: str, second: str) -> float:
    """How alike two texts are, 0 to 1 (Jaccard over terms)."""
    a, b = terms(first), terms(second)
    return len(a & b) / len(a | b) if a | b else 0.0


def _says_something(token: str) -> bool:
    if token in STOPWORDS:
        return False
    return len(token) >= 3 if not token.isdigit() else len(token) >= 2


def _stem(word: str) -> str:
    if any(char.isdigit() for char in word):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
