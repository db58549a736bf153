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
from itertools import chain
from math import log

from processors.synthesize.writer.builtin.stopwords import STOPWORDS
from processors.synthesize.writer.writer import Evidence
from schemas.events import ContextItem, Ticket

_TOKEN = re.compile(r"[^\W_]+(?:[._:/-][^\W_]+)*")
_JOINT = re.compile(r"[._:/-]")
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "en", "es", "ed", "s")
_NONE: frozenset[str] = frozenset()
CODE_WEIGHT = 3.0
MOST_WORDS = 8192
LONGEST_REMEMBERED = 64
MOST_TEXTS = 1024
"""Remembered of words of at most so many characters, and of records: less than 10 MiB each."""


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


def terms(text: str) -> frozenset[str]:
    """Stems of the words that say something, and codes (with a digit) as they are; parts of compound tokens count too."""
    return _NONE.union(*map(_terms_of, set(_TOKEN.findall(text.lower()))))


@lru_cache(maxsize=MOST_TEXTS)
def terms_of_record(text: str) -> frozenset[str]:
    """As `terms`, for what comes with one ticket after another: titles, excerpts and steps, of at most 2 KiB."""
    return terms(text)


def is_code(term: str) -> bool:
    """An error code, event id, address or host name rather than a word."""
    return not term.isalpha() and len(term) >= 3 and any(map(str.isdigit, term))


class Yardstick:
    """What a ticket asks for, each term with its weight: rare among all the evidence, a code, or in the subject counts more."""

    def __init__(self, ticket: Ticket, evidence: Sequence[Evidence]) -> None:
        self._texts = {one.number: terms_of_record(text_of(one.item)) for one in evidence}
        self._frequency: dict[str, int] = Counter(chain.from_iterable(self._texts.values()))
        self._rarity = [log(1 + (len(self._texts) + 1) / (have + 0.5)) for have in range(len(self._texts) + 1)]
        subject = terms(ticket.subject)
        self._weights = {
            term: self._weight(term) * (1.5 if term in subject else 1.0)
            for term in subject | terms(ticket.description[:4000])
        }
        self._codes = {term for term in self._weights if is_code(term)}
        self._known = sum(weight for term, weight in self._weights.items() if term in self._frequency) or 1.0

    def learn(self, text: str, share: float) -> None:
        """Terms of a solved ticket that is much alike: what solved it tells which article is about the same."""
        for term in terms_of_record(text) - self._weights.keys():
            self._weights[term] = self._weight(term) * share
            if self._frequency.get(term, 0) > 1:
                self._known += self._weights[term]
            if is_code(term):
                self._codes.add(term)

    def ranked(self, evidence: Sequence[Evidence]) -> list[Ranked]:
        """The best fit first."""
        found = [self._measured(one, place) for place, one in enumerate(evidence)]
        return sorted(found, key=lambda one: -one.fit)

    def _measured(self, evidence: Evidence, place: int) -> Ranked:
        weigh = self._weights.__getitem__
        shared = self._weights.keys() & self._texts[evidence.number]
        titled = self._weights.keys() & terms_of_record(evidence.item.title)
        covered = sum(map(weigh, shared)) + 0.5 * sum(map(weigh, titled))
        strength = len(shared) + (CODE_WEIGHT - 1.0) * len(shared & self._codes)
        return Ranked(evidence, covered / self._known * (1 + 0.3 / (1 + place)), round(strength))

    def _weight(self, term: str) -> float:
        rarity = self._rarity[self._frequency.get(term, 0)]
        return rarity * CODE_WEIGHT if is_code(term) else rarity


def text_of(item: ContextItem) -> str:
    return f"{item.title} {item.excerpt}"


def similar(a: frozenset[str], b: frozenset[str]) -> float:
    """How alike two texts' terms are, 0 to 1 (Jaccard)."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 0.0


def _terms_of(token: str) -> frozenset[str]:
    return _remembered_terms_of(token) if len(token) <= LONGEST_REMEMBERED else _found_terms_of(token)


def _found_terms_of(token: str) -> frozenset[str]:
    parts = [token] if token.isalnum() else [token, *_JOINT.split(token)]
    return frozenset(_stem(part) for part in parts if _says_something(part))


_remembered_terms_of = lru_cache(maxsize=MOST_WORDS)(_found_terms_of)


def _says_something(token: str) -> bool:
    if token in STOPWORDS:
        return False
    return len(token) >= 3 if not token.isdigit() else len(token) >= 2


def _stem(word: str) -> str:
    if not word.isalpha() and any(map(str.isdigit, word)):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
