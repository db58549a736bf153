"""What technicians' comments have in common: words and pairs of words that several of them have, counted by comments. No model is
asked; nothing is concluded that isn't counted.

Stop words are those of the built-in writer (English and German).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from processors.synthesize.writer.builtin.stopwords import STOPWORDS
from sinks.postgres.period_figures import Comment

FEWEST_COMMENTS = 2
MOST_THEMES = 8
MOST_TICKETS = 5
SHORTEST = 3
LONGEST = 40
COVERED = 0.6
"""A word that stands in so great a share of the same comments as a theme that is listed already says nothing more."""
_SENTENCE = re.compile(r"[.!?;:\n\r]+\s*")
_WORD = re.compile(r"[^\W_]+(?:['’./-][^\W_]+)*")
_ALWAYS = frozenset({"note", "notes", "ticket", "tickets", "notiz", "hinweis"})
"""What every comment is about."""
_SAYS = frozenset({"wrong", "old", "long", "late"})
"""Of a note these say much, though of a fault they don't."""


@dataclass(frozen=True, slots=True)
class Theme:
    """`rating` is the average of the comments that came with one. `tickets` are the newest few."""

    term: str
    comments: int
    rating: float | None
    tickets: tuple[str, ...]


def themes(comments: Sequence[Comment]) -> tuple[Theme, ...]:
    """The most frequent first; pairs of words before single ones that they contain."""
    found: dict[str, set[int]] = {}
    for number, comment in enumerate(comments):
        for term in terms(comment.comment):
            found.setdefault(term, set()).add(number)
    several = [(term, where) for term, where in found.items() if len(where) >= FEWEST_COMMENTS]
    several.sort(key=lambda one: (-len(one[1]), -one[0].count(" "), one[0]))
    chosen: list[tuple[str, set[int]]] = []
    for term, where in _pairs_first(several):
        if len(chosen) == MOST_THEMES:
            break
        if all(len(where & other) < COVERED * len(where) for _, other in chosen):
            chosen.append((term, where))
    chosen.sort(key=lambda one: (-len(one[1]), one[0]))
    return tuple(_theme(term, [comments[number] for number in sorted(where)]) for term, where in chosen)


def terms(text: str) -> set[str]:
    """Words that say something, and pairs of them that stand side by side in a sentence."""
    found: set[str] = set()
    for sentence in _SENTENCE.split(text.lower()):
        before = ""
        for word in _words(sentence):
            if word:
                found.add(word)
                if before:
                    found.add(f"{before} {word}")
            before = word
    return found


def _words(sentence: str) -> Iterator[str]:
    """Empty for one that says nothing: no pair goes over it."""
    for match in _WORD.finditer(sentence):
        word = match[0].replace("’", "'")
        silent = word in _ALWAYS or (word in STOPWORDS and word not in _SAYS) or word.isdigit()
        yield word if SHORTEST <= len(word) <= LONGEST and not silent else ""


def _pairs_first(several: list[tuple[str, set[int]]]) -> Iterator[tuple[str, set[int]]]:
    """In their order, but a pair goes before a word of its own that hardly any other comment has."""
    pairs = [(term, where) for term, where in several if " " in term]
    told: set[str] = set()
    for term, where in several:
        for pair, its in pairs:
            if pair not in told and term in pair.split() and len(its) >= COVERED * len(where):
                told.add(pair)
                yield pair, its
        if term not in told:
            told.add(term)
            yield term, where


def _theme(term: str, comments: Sequence[Comment]) -> Theme:
    ratings = [comment.rating for comment in comments if comment.rating is not None]
    tickets = tuple(dict.fromkeys(comment.ticket_id for comment in comments))[:MOST_TICKETS]
    return Theme(term, len(comments), fmean(ratings) if ratings else None, tickets)
