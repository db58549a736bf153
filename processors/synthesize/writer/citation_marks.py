"""Marks that refer to evidence: `[2]`, and the other forms in which a model writes them, as `[1-3]`, `[#2]` or `[Source 2]`."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

WIDEST_RANGE = 100
_MARK = re.compile(r"\\?\[([^\[\]\n]{1,80}?)\\?\]")
_PLAIN = re.compile(r"\d{1,4}(?:\s*[,;]\s*\d{1,4})*")
_DASHES = "‐‑‒–—−-"
_BETWEEN = (
    rf"[\s,;&#^/*_+{_DASHES}]|(?:sources?|evidence|ref(?:erence)?s?|citations?|see|items?|articles?|tickets?|nos?\.|nr\."
    r"|quellen?|and|und|or|to|bis)(?![a-z])"
)
_NUMBERS = re.compile(rf"(?:{_BETWEEN}|[.:]){{0,40}}\d(?:\d|{_BETWEEN}){{0,70}}[.:]?", re.IGNORECASE)
_RANGE = re.compile(
    rf"(?<!\d)(\d{{1,4}})(?:\s{{0,3}}(?:[{_DASHES}]{{1,3}}|to|bis)\s{{0,3}}(\d{{1,4}}))?(?!\d)", re.IGNORECASE
)
_NO_MARK = re.compile(r"\d{5}|\d{4}-\d\d?-\d|(?:article|ticket|item)s?\W{0,3}\d{3}", re.IGNORECASE)


def cited_in(text: str) -> set[int]:
    """The numbers of all marks, those within a range too."""
    return {number for match in _MARK.finditer(text) for number in _numbers(match[1])}


def with_known(text: str, known: Set[int]) -> str:
    """The text with marks of known numbers only, each as `[n]`. `[1, 2]` stays as it is if both are known."""

    def kept(match: re.Match[str]) -> str:
        numbers = _numbers(match[1])
        if not numbers or (_PLAIN.fullmatch(match[1]) and match[0][0] != "\\" and known >= {*numbers}):
            return match[0]
        return "".join(f"[{number}]" for number in numbers if number in known)

    return _MARK.sub(kept, text)


@lru_cache(maxsize=4096)  # at most 80 characters each, and mostly "1" or "2, 3"
def _numbers(inside: str) -> tuple[int, ...]:
    """What the inside of a pair of brackets cites, in order, each once; nothing if it is a date, a name or a long number."""
    if not _PLAIN.fullmatch(inside) and (not _NUMBERS.fullmatch(inside) or _NO_MARK.search(inside)):
        return ()
    numbers: dict[int, None] = {}
    for match in _RANGE.finditer(inside):
        first = int(match[1])
        last = int(match[2] or first)
        whole = range(first, last + 1) if first <= last < first + WIDEST_RANGE else (first, last)
        numbers |= dict.fromkeys(whole)
    return tuple(numbers)
