"""Passwords and PINs written in words, as people write them into tickets, in the languages of the platform's customers.

`My password is Sunflower-19`, `PW: Sommer2024!`, `Passwort lautet "drei rote Hunde"`, `DB_PASSWORD=…`, `login admin / Winter!25`.
What follows a sign (`:`, `=`, `->`) is taken for a password unless it says how the password is (`password: expired`); what follows
a verb, unless it is an ordinary continuation (`password is wrong`). Without either it must look like one (`password policy`
doesn't).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from processors.synthesize.writer.masking import password_words as words
from processors.synthesize.writer.masking.password_forms import (
    QUOTES,
    bare,
    formed_passwords,
    is_code_or_link,
    kept,
    looks_secret,
    names_a_password,
)
from processors.synthesize.writer.masking.spans import REMOVED, Kind, Span

WHOSE_WORDS = 5
PHRASE_WORDS = 8
LINE = 120
_S = r"[ \t\u00a0\u2009\u202f\u3000]"
_WORD = re.compile(
    rf"(?P<word>{words.COMPOUND}|(?<![^\W_])(?:{words.SHORT})|(?-i:(?<=[a-z])(?:Pass|Pw|Pin)))"
    rf"(?:{words.ENDINGS})?\d{{0,2}}(?!\w|-\w)",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    rf"[\\\"'`*\]»”]{{0,4}}(?:{_S}{{0,4}}\([^()\n]{{1,40}}\)|(?:{_S}(?:{words.QUALIFIERS})(?!\w)){{1,2}})?",
    re.IGNORECASE,
)
_JOIN = re.compile(
    rf"{_S}{{0,20}}(?P<sign>[:=：]{{1,2}}>?|->|=>|→|,?{_S}?[\"']?value[\"']?{_S}?[:=])(?:\*\*|__|\*)?"
    rf"|(?:{_S}{{1,4}}(?:was|is|has been|have been|will be|wurde|ist))?{_S}{{1,4}}(?P<changed>{words.CHANGED}){_S}{{1,4}}"
    rf"(?:back{_S})?(?:{words.CHANGED_TO})(?={_S})"
    rf"|{_S}{{1,4}}(?P<verb>{words.VERBS}|(?P<bound>on|je|bude|este|es|to|jest))(?:{_S}{{1,4}}(?:{words.ADVERBS}))?"
    rf"(?:{_S}{{0,4}}:|(?={_S}))"
    rf"|(?P<dash>{_S}{{0,4}}[|–—]|{_S}{{0,4}}-(?={_S}))",
    re.IGNORECASE,
)
_WHOSE = re.compile(rf"{_S}{{1,4}}(?:{words.WHOSE})(?={_S})", re.IGNORECASE)
_NEXT_WORD = re.compile(rf"{_S}{{1,4}}(?P<word>[^\s:=]{{1,40}})")
_GAP = re.compile(rf"{_S}{{0,40}}(?P<lines>(?:\r?\n[ \t>*•-]{{0,12}}){{1,2}})?")
_VALUE = re.compile(
    r"\"[^\"\n]{3,200}(?:\"|(?=\n)|\Z)|'[^'\n]{3,80}'|„[^“”\n]{3,80}[“”]|“[^”\n]{3,80}”|«[^»\n]{3,80}»|`[^`\n]{3,80}`|\S{1,1000}"
)
_CONTINUED = re.compile(r"[a-z]+(?:ed|ing|ly|[ai]ble)|(?:ge|ver|be|er|zer|ab|auf|ein)[a-zäöüß]+(?:t|en)")


class _Lead(IntEnum):
    """How surely what comes next is the value."""

    NOTHING = 0
    DASH = 1
    VERB = 2
    SIGN = 3


@dataclass(frozen=True, slots=True)
class _Found:
    """A value after a key word. `label` means that the key word opens its line, `alone` that the value ends its own."""

    word: str
    lead: _Lead
    value: str
    start: int
    lines: int
    label: bool
    alone: bool


def passwords(text: str) -> Iterator[Span]:
    end = 0
    for word in _WORD.finditer(text) if names_a_password(text) else ():
        found = _value_after(text, word) if word.start() >= end else None
        if found is not None and _is_password(found):
            end = found.start + kept(found.value)
            yield Span(found.start, end, Kind.PASSWORD)
    yield from formed_passwords(text)


def _value_after(text: str, word: re.Match[str]) -> _Found | None:
    aside = _ASIDE.match(text, word.end())
    lead, at = _lead(text, aside.end() if aside else word.end(), word["word"].lower())
    gap = _GAP.match(text, at)
    value = _VALUE.match(text, gap.end()) if gap else None
    if gap is None or value is None or (gap.end() == at and lead is _Lead.NOTHING):
        return None
    if text.startswith(REMOVED, value.start()) or text.startswith(REMOVED, value.start() + 1):
        return None
    before = text[max(0, word.start() - LINE) : word.start()].rpartition("\n")[2]
    label = all(part.lower() in words.INTRODUCING for part in re.findall(r"\w+", before))
    rest = text[value.start() : value.start() + LINE].partition("\n")[0].rstrip(" \t\r*_|")
    shown = rest if lead is _Lead.SIGN and label and _is_phrase(rest) else value[0]
    lines = (gap["lines"] or "").count("\n")
    return _Found(word["word"].lower(), lead, shown, value.start(), lines, label, len(shown) >= len(rest))


def _is_phrase(line: str) -> bool:
    """`my dog rex`: words that make no sentence."""
    parts = line.split()
    return 2 <= len(parts) <= PHRASE_WORDS and all(
        part.isalpha() and not _is_one_of(part, words.PROSE) and not _CONTINUED.fullmatch(part) for part in parts
    )


def _lead(text: str, at: int, word: str) -> tuple[_Lead, int]:
    """What joins a key word to its value, also behind up to five words that say whose it is; and where it ends."""
    joined = _join(text, at, word)
    if joined is not None:
        return joined
    whose = _WHOSE.match(text, at)
    place = whose.end() if whose else at
    after_one = at
    for count in range(WHOSE_WORDS if whose else 0):
        following = _NEXT_WORD.match(text, place)
        if following is None or following["word"][-1] in ".,;!?":
            break
        place = following.end()
        after_one = place if count == 0 else after_one
        joined = _join(text, place, word)
        if joined is not None:
            named = joined[0] is _Lead.SIGN and following["word"].lower() in words.ACCOUNT_NOUNS
            return (_Lead.NOTHING, joined[1]) if named else joined
    return _Lead.NOTHING, after_one


def _join(text: str, at: int, word: str) -> tuple[_Lead, int] | None:
    match = _JOIN.match(text, at)
    if match is None:
        return None
    if match["sign"]:
        return _Lead.SIGN, match.end()
    bound = match["bound"]
    if bound and not any(
        word.startswith(key) and bound.lower() in verbs.split("|") for key, verbs in words.BOUND_VERBS.items()
    ):
        return (_Lead.NOTHING, match.end()) if bound.lower() == "to" else None
    return (_Lead.DASH if match["dash"] else _Lead.VERB), match.end()


def _is_password(found: _Found) -> bool:
    value, word = bare(found.value), found.word
    if is_code_or_link(value):
        return False
    if word.startswith(("pin", "otp")):
        return not found.lines and sum(c.isdigit() for c in value) >= 4
    if word in ("pass", "clave"):
        return _after_short_word(found, value)
    if found.lines:
        return _on_a_later_line(found, value)
    if found.lead >= _Lead.VERB and found.value[0] in QUOTES and len(found.value) > 4:
        return True
    if looks_secret(value):
        return True
    if found.lead is _Lead.DASH:
        return found.label and found.alone and _is_no_remark(value)
    return found.lead is not _Lead.NOTHING and _follows(found, value)


def _after_short_word(found: _Found, value: str) -> bool:
    """`pass` is a verb and a kind of test too."""
    if found.lead is _Lead.SIGN and found.value[0] not in QUOTES:
        ends = found.alone or found.value[-1] in ",;"
        return looks_secret(value) or (ends and _is_no_remark(value))
    return not found.lines and " " not in value and looks_secret(value) and any(c.isdigit() for c in value)


def _on_a_later_line(found: _Found, value: str) -> bool:
    if found.value[-1] in ":：" or not found.alone:
        return False
    if looks_secret(value):
        return found.lead is _Lead.SIGN or found.label
    return found.lead is _Lead.SIGN and found.lines == 1 and len(value) >= 3 and not _is_one_of(value, words.ORDINARY)


def _follows(found: _Found, value: str) -> bool:
    """Whether what a sign or a verb leads to is the password and not a remark about it."""
    if len(value) < 3 or (found.value[-1] in ":：" and value.isalpha()):
        return False
    if found.lead is _Lead.VERB:
        return _is_no_remark(value)
    return not _is_one_of(value, words.STATES if found.alone else words.ORDINARY)


def _is_no_remark(value: str) -> bool:
    return len(value) >= 3 and not _is_one_of(value, words.ORDINARY) and not _CONTINUED.fullmatch(value)


def _is_one_of(value: str, known: frozenset[str]) -> bool:
    return value.lower().replace("’", "'") in known
