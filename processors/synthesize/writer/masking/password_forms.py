"""Passwords that show by the form of what is around them: pairs of name and password, tags, command lines, and words of languages
without spaces. And what a password looks like by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from processors.synthesize.writer.masking import password_words as words
from processors.synthesize.writer.masking.spans import REMOVED, Kind, Span, folded

QUOTES = "\"'„“«`"
_S = r"[ \t\u00a0\u202f]"
_V = r"(?P<value>\"[^\"\n]{2,200}\"|'[^'\n]{2,200}'|[^\s\"']{3,200})"
_SHORT_HINT = re.compile(rf"(?<![^\W_])(?:{words.SHORT_HINTS})")
_KEY_WORDS = tuple((hint,) for hint in (*words.HINTS, *words.SHORT_HINTS.split("|")))
_UNSPACED = tuple((word,) for word in words.UNSPACED.split("|"))
_CERTAIN = (
    (
        re.compile(
            rf"(?:{words.COMPOUND}|(?<![^\W_])(?:{words.SHORT}))\w{{0,12}}(?:{_S}[^<>\n]{{0,100}})?>\s{{0,20}}"
            r"(?P<value>[^<>\s][^<>]{0,400}?)\s{0,20}</",
            re.IGNORECASE,
        ),
        tuple(("</", hint) for (hint,) in _KEY_WORDS),
    ),
    (
        re.compile(
            rf"(?:{words.UNSPACED})[\"'」』*]{{0,2}}\s{{0,4}}(?:[:=：]|->|→|は|是|为|為|는|은)\s{{0,4}}(?P<value>[!-~]{{3,200}}|\S{{3,40}})"
        ),
        _UNSPACED,
    ),
    (re.compile(rf"\b(?:mysql|mariadb)[a-z]{{0,8}}\b[^\n]{{0,200}}?\s-p{_V}"), (("mysql",), ("mariadb",))),
    (
        re.compile(
            rf"\b(?:sshpass{_S}{{1,4}}-p|(?:plink|pscp|psftp|putty)(?:\.exe)?\b[^\n]{{0,200}}?\s-pw){_S}{{0,4}}{_V}"
        ),
        (("sshpass",), ("plink",), ("pscp",), ("psftp",), ("putty",)),
    ),
    (
        re.compile(
            r"\b(?:curl|wget)\b[^\n]{0,200}?\s(?:-u|--user|--proxy-user|-U)[ =]{0,3}[\"']?[^\s:\"']{1,100}"
            r":(?P<value>[^\s\"']{1,200})"
        ),
        (("curl",), ("wget",)),
    ),
    (re.compile(r"\s-U[ ]{0,3}[\"']?[^\s%\"'/:]{1,100}%(?P<value>[^\s\"']{3,200})"), (("-u",),)),
    (
        re.compile(
            rf"(?<!\S)--?(?:[a-z]{{1,12}}-)?(?:password|passwd|passphrase|passwort|pass)(?:{_S}|=){_V}", re.IGNORECASE
        ),
        (("-", "pass"),),
    ),
    (
        re.compile(rf"\bConvertTo-SecureString{_S}{{1,4}}(?:-String{_S}{{1,4}})?(?!-){_V}", re.IGNORECASE),
        (("convertto-securestring",),),
    ),
)
_PROBABLE = (
    (re.compile(rf"(?:{words.UNSPACED})\s{{0,4}}(?P<value>[!-~]{{4,200}})"), _UNSPACED),
    (
        re.compile(
            rf"(?<!\S)(?P<value>\S{{4,100}}){_S}{{1,4}}(?:is|was|ist|war|er|est|es){_S}{{1,4}}(?:{words.OWNERS}){_S}{{1,4}}"
            rf"(?:(?:{words.QUALIFIERS}|neues){_S}{{1,4}})?(?:{words.COMPOUND}|{words.SHORT})(?![\w-])",
            re.IGNORECASE,
        ),
        _KEY_WORDS,
    ),
    (
        re.compile(
            r"(?<!\w)(?:credentials|logins?|zugangsdaten|anmeldedaten|user(?:name)?|benutzer(?:name)?|account)\b"
            rf"[^\n/]{{0,40}}?[ \t:]\S{{1,60}}{_S}{{0,4}}/{_S}{{0,4}}(?P<value>[^\s/]{{4,100}})(?!\S{{0,100}}/)",
            re.IGNORECASE,
        ),
        tuple(
            (name, "/")
            for name in ("credentials", "login", "zugangsdaten", "anmeldedaten", "user", "benutzer", "account")
        ),
    ),
    (
        re.compile(
            rf"\bnet{_S}{{1,4}}use\b[^\n]{{0,160}}?/u(?:ser)?:\S{{1,80}}{_S}{{1,4}}(?P<value>[^\s/*]\S{{2,100}})",
            re.IGNORECASE,
        ),
        (("net", "use", "/u"),),
    ),
    (
        re.compile(
            rf"\bnet{_S}{{1,4}}use{_S}[^\n/]{{1,120}}?\\\\\S{{1,100}}{_S}{{1,4}}(?P<value>[^\s/*]\S{{2,100}}){_S}{{1,4}}/u(?:ser)?:",
            re.IGNORECASE,
        ),
        (("net", "use", "/u", "\\\\"),),
    ),
    (
        re.compile(
            rf"\bnet{_S}{{1,4}}user{_S}{{1,4}}[^\s/]{{1,60}}{_S}{{1,4}}(?P<value>[^\s/*]\S{{2,100}})", re.IGNORECASE
        ),
        (("net", "user"),),
    ),
)
"""Only where the value looks like a password. Beside each pattern: what a text must have in it, in lower case, all of one row."""
_PARTS = tuple(dict.fromkeys(part for _, hints in (*_CERTAIN, *_PROBABLE) for hint in hints for part in hint))
_ASKED = tuple(
    (
        pattern,
        frozenset(hint[0] for hint in hints if len(hint) == 1),
        tuple({*hint} for hint in hints if len(hint) > 1),
        certain,
    )
    for patterns, certain in ((_CERTAIN, True), (_PROBABLE, False))
    for pattern, hints in patterns
)
"""Each pattern with the hints of one part, those of several, and whether it is a certain one."""
_CODE_OR_LINK = re.compile(
    r"(?:KB|INC|REQ|SR|CHG)[-_]?\d+|0x[0-9a-f]+|\d+[a-z]{1,2}|(?:https?|ftps?)://.*|[a-z:_-]{1,30}=[\"'].*|\\\\.*",
    re.IGNORECASE | re.DOTALL,
)
_TRAILING = ".,;:)]}>\"'"


def names_a_password(text: str) -> bool:
    """Whether one of the key words can be in the text: most texts have none, and looking for where it is takes fifty times as
    long."""
    low = folded(text)
    return (
        any(hint in low for hint in words.HINTS) or "Pw" in text or "Pin" in text or _SHORT_HINT.search(low) is not None
    )


def formed_passwords(text: str) -> Iterator[Span]:
    low = folded(text)
    present = {part for part in _PARTS if part in low}
    for pattern, alone, together, certain in _ASKED if present else ():
        if present.isdisjoint(alone) and not any(hint <= present for hint in together):
            continue
        for match in pattern.finditer(text):
            value = match["value"]
            if not value.startswith((*REMOVED, "-")) and (certain or looks_secret(bare(value))):
                yield Span(match.start("value"), match.start("value") + kept(value), Kind.PASSWORD)


def looks_secret(value: str) -> bool:
    """Letters with digits or signs in between, as passwords have them and words haven't."""
    if len(value) < 4 or value.startswith(("{", "(")) or is_code_or_link(value):
        return False
    digit = any(c.isdigit() for c in value)
    letter = any(c.isalpha() for c in value)
    sign = any(c in "!@#$%&*+=?~^_§" for c in value.rstrip("!?*_"))
    return (digit and letter) or (sign and letter)


def is_code_or_link(value: str) -> bool:
    """An article, a ticket, an error code, `2nd`, an address, an attribute: what stands next to a key word and is no password."""
    return _CODE_OR_LINK.fullmatch(value) is not None


def bare(value: str) -> str:
    """Without its quotes, and without what ends a sentence or closes a bracket."""
    return value.strip("\"'„“”«»`").rstrip(_TRAILING)


def kept(value: str) -> int:
    """How much of a value is the password: a sentence's end isn't."""
    return len(value) if value[0] in QUOTES else max(1, len(value.rstrip(_TRAILING)))
