"""Quoting foreign text in a note: sentences, shortening, and making its Markdown harmless."""

from __future__ import annotations

import re
from functools import lru_cache

from processors.synthesize.writer.masking import secrets_removed

_OPENS = r"(?=[A-ZÄÖÜ0-9\"“„(`*])"
_SENTENCE_END = re.compile(  # what it begins with comes first, so that the search skips quickly to where it may begin
    r"[\"”')\s](?:(?<=[.!?…][\"”')])[\"”')]*\s+"
    + _OPENS
    + r"|(?<=[.!?…]\s)\s*"
    + _OPENS
    + r"|(?<=\n)\s*|(?<=\s)\s*\n\s*)"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|approx|no|nr|vs|z\.B|ca|resp|incl|Mr|Mrs|Dr)\.|(?:^|\s)\d{1,2}\.)$", re.IGNORECASE
)
_CODE = re.compile(r"(`[^`\n]*`)")
_CITATION_LIKE = re.compile(r"\[(\d{1,3})\]")
_LIVE_LINK = re.compile(r"\bhttp(s?)://", re.IGNORECASE)
_ESCAPED = str.maketrans({char: f"\\{char}" for char in "\\*`[]<>"})
LONGEST_NAME, MOST_NAMES = 160, 4096
LONGEST_LINE, MOST_LINES = 400, 2048
"""Remembered: how titles, numbers, sites and categories read, and articles' steps and causes, which come with one ticket after
another. At most some 5 MiB each."""


def sentences(text: str) -> list[str]:
    """The sentences of a text; a line's end is one too. `e.g.` and `3.` don't end one."""
    found: list[str] = []
    for part in _SENTENCE_END.split(text.strip()):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        elif part and part.strip():
            found.append(" ".join(part.split()))
    return found


def shortened(text: str, words: int) -> str:
    """At most so many words: whole sentences if at least one fits, else cut at a word, with an ellipsis."""
    taken: list[str] = []
    count = 0
    for sentence in sentences(text):
        length = len(sentence.split())
        if count + length > words:
            break
        taken.append(sentence)
        count += length
    if taken:
        return " ".join(taken)
    return _balanced(" ".join(text.split()[:words]).rstrip(",;:-–(")) + (" …" if len(text.split()) > words else "")


def from_ticket(text: str) -> str:
    """Text that anybody can write: one line, no secrets, no Markdown, no live links."""
    return _name_from_ticket(text) if len(text) <= LONGEST_NAME else _from_ticket(text)


def _from_ticket(text: str) -> str:
    text = _without_live_links(" ".join(secrets_removed(text).split()))
    if "[" in text:
        text = _CITATION_LIKE.sub(r"(\1)", text)
    return text.translate(_ESCAPED)


_name_from_ticket = lru_cache(maxsize=MOST_NAMES)(_from_ticket)


def from_records(text: str) -> str:
    """Text of the tenant's own records: one line, its code and emphasis kept, no secrets, no HTML, no numbers like citations."""
    return _line_from_records(text) if len(text) <= LONGEST_LINE else _from_records(text)


def _from_records(text: str) -> str:
    text = secrets_removed(text)
    if "[" in text:
        text = _CITATION_LIKE.sub(r"(\1)", text)
    text = _balanced(" ".join(text.split()))
    return "".join(
        part if part.startswith("`") else part.replace("<", "\\<").replace("![", "! [") for part in _CODE.split(text)
    )


_line_from_records = lru_cache(maxsize=MOST_LINES)(_from_records)


def from_earlier_ticket(text: str) -> str:
    """As `from_records`, without live links: a technician wrote the solution, and may have copied from who knows whom."""
    return from_records(_without_live_links(text)).replace("](", "] (")


def ended(text: str) -> str:
    """With a full stop, unless it ends a sentence already."""
    return text if not text or text[-1] in ".!?…:" else text + "."


def opened(text: str) -> str:
    """With a capital first letter, unless it opens with code or a name in lower case such as `qml-dc01`."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def _without_live_links(text: str) -> str:
    return _LIVE_LINK.sub(r"hxxp\1://", text) if "://" in text else text


def _balanced(text: str) -> str:
    return text if text.count("`") % 2 == 0 else text.replace("`", "")
