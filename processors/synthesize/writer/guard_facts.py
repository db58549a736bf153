"""The facts that a text may name: those of the input it was written from, read as people do (`10.9.9[.]9` is an address)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from unicodedata import normalize

_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_V6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_URL = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.)[^\s<>\"'`)\]]{1,2000}", re.IGNORECASE)
_BARE_URL = re.compile(
    r"(?<![\w@./\\:%-])(?:[\w-]{1,63}\.){1,8}(?P<top>[^\W\d_]{2,24})(?::\d{1,5})?/[^\s<>\"'`)\]]{1,2000}", re.IGNORECASE
)
_FILE_ENDINGS = re.compile(
    r"bat|cfg|cmd|conf|csv|dll|docx|exe|html?|ini|js|json|log|msi|pdf|sys|txt|xlsx|xml|ya?ml", re.IGNORECASE
)
_ARTICLE = re.compile(
    r"(?<![A-Za-z0-9])(?<!\d )KB(?:[ ]?(?:no\.?|nr\.?|number|id))?[ #:_.=-]{0,3}(\d{2,10})\b", re.IGNORECASE
)
_NAMED_ARTICLE = re.compile(r"\barticles?(?:[ ]?(?:no\.?|nr\.?|number|id))?[ #:_=-]{1,3}(\d{3,10})\b", re.IGNORECASE)
_TICKET = re.compile(
    r"(?:(?<![\w&])#[ ]?|\b(?:tickets?|request|incident|case|INC|REQ|SR)"
    r"(?:[ ]?(?:no\.?|nr\.?|number|id))?[ :#=_-]{1,3})(\d{3,12})\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{3,12}")
_TRAILING = ".,;:!?*_"
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_BRACKETS = {"【": "[", "】": "]", "〔": "[", "〕": "]", "〖": "[", "〗": "]", "⟦": "[", "⟧": "]"}
_LOOKS_ASCII = re.compile(r"[0-9A-Za-z.:/#()\[\]@-]")
_DEFUSED_DOT = re.compile(r"[ \t]?(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\))[ \t]?", re.IGNORECASE)
_DEFUSED_SCHEME = re.compile(r"\bh(?:xx|\*\*)p(s?)(?=://|\[:\])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Facts:
    """`links` are URLs of the tenant's own records and may be live; `mentioned` also those that the ticket has, which may not."""

    addresses: frozenset[str]
    links: frozenset[str]
    mentioned: frozenset[str]
    article_ids: frozenset[str]
    numbers: frozenset[str]
    citations: frozenset[int]

    @classmethod
    def of(cls, *, records: str, ticket: str, citations: frozenset[int]) -> Facts:
        """From the text of the evidence (titles, ids and links included), the ticket's text, and the numbers of the evidence."""
        records, ticket = folded(records), folded(ticket)
        both = f"{records}\n{ticket}"
        return cls(
            addresses=frozenset(addresses(read(both))),
            links=frozenset(urls(records)),
            mentioned=frozenset([*urls(both), *urls(read(both))]),
            article_ids=frozenset(article_ids(both)),
            numbers=frozenset(_NUMBER.findall(both)),
            citations=citations,
        )

    def knows_address(self, address: str) -> bool:
        """Addresses that name nobody's machine are known to all: loopback, netmasks, multicast, link-local."""
        value = ip_address(address)
        general = value.is_loopback or value.is_unspecified or value.is_multicast or value.is_link_local
        return general or value.is_reserved or address in self.addresses


def folded(text: str) -> str:
    """With digits, letters and brackets of other scripts and widths as the ASCII ones that they look like (NFKC)."""
    return _FOREIGN.sub(lambda match: _ascii(match[0]), text)


def read(text: str) -> str:
    """As a person reads it who knows that `[.]` stands for a dot and `hxxp` for `http`. To look at, not to be shown."""
    return _DEFUSED_SCHEME.sub(r"http\1", _DEFUSED_DOT.sub(".", text))


def addresses(text: str) -> set[str]:
    """IP addresses in their canonical form; `10.9.9.09` is `10.9.9.9`."""
    found: set[str] = set()
    if text.count(".") < 3 and text.count(":") < 2:  # most lines, and none of the two patterns can match
        return found
    decimal = [".".join(str(int(octet)) for octet in one.split(".")) for one in _V4.findall(text)]
    for candidate in [*decimal, *_V6.findall(text)]:
        try:
            found.add(str(ip_address(candidate.rstrip(":") if not candidate.endswith("::") else candidate)))
        except ValueError:
            continue
    return found


def urls(text: str) -> list[str]:
    """Also without a scheme, if a path follows the host: `host.example/login`. The longest first, so that replacing one leaves no
    half of another."""
    if "/" not in text and "www." not in text.lower():  # most lines, and none of the two patterns can match
        return []
    bare = [match[0] for match in _BARE_URL.finditer(text) if not _FILE_ENDINGS.fullmatch(match["top"])]
    return sorted({match.rstrip(_TRAILING) for match in [*_URL.findall(text), *bare]}, key=len, reverse=True)


def article_ids(text: str) -> set[str]:
    """Numbers of articles written as KB-1042, KB#1042 or KB5005033."""
    return set(_ARTICLE.findall(text))


def named_articles(text: str) -> set[str]:
    """Numbers that are called an article's in words: `article 4242`."""
    return set(_NAMED_ARTICLE.findall(text))


def ticket_numbers(text: str) -> set[str]:
    """Numbers that are called a ticket's: `#52101`, `ticket 52101`, `INC-52101`."""
    return set(_TICKET.findall(text))


@lru_cache(4096)
def _ascii(char: str) -> str:
    if char in _BRACKETS:
        return _BRACKETS[char]
    if char.isdecimal():
        return str(int(char))
    plain = normalize("NFKC", char)
    return plain if _LOOKS_ASCII.fullmatch(plain) else char
