"""The facts that a text may name: those of the input it was written from, read as people do (`10.9.9[.]9` is an address).

A prompt is long, and most of its words and lines name nothing. So the patterns see only those with a sign of a match, which is
found many times faster: no address or URL spans two words, no number with its name two lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import ip_address
from unicodedata import normalize

_V4_SIGN = re.compile(r"\.\d{1,3}\.\d{1,3}\.")
_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_V6_SIGN = re.compile(r":[0-9A-Fa-f.]*:")
_V6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_URL_SIGN = re.compile(r"://|www\.", re.IGNORECASE)
_URL = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.)[^\s<>\"'`)\]]{1,2000}", re.IGNORECASE)
_BARE_URL_SIGN = re.compile(r"\.[^\W\d_]{2,24}(?::\d{1,5})?/")
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
_NUMBER = re.compile(r"\d\d{2,11}")  # 3 to 12 digits; begins with one, since that is looked for faster
_TRAILING = ".,;:!?*_"
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_BRACKETS = {"【": "[", "】": "]", "〔": "[", "〕": "]", "〖": "[", "〗": "]", "⟦": "[", "⟧": "]"}
_LOOKS_ASCII = re.compile(r"[0-9A-Za-z.:/#()\[\]@-]")
_DEFUSED_DOT = re.compile(r"[ \t]?(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\))[ \t]?", re.IGNORECASE)
_DEFUSED_DOT_SIGNS = ("[.]", "(.)", "{.}", "[dot]", "(dot)")
_DEFUSED_SCHEME = re.compile(r"\bh(?:xx|\*\*)p(s?)(?=://|\[:\])", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What `records`, the text of the evidence (titles, ids and links included), and `ticket`, the ticket's text, bear out; and
    `citations`, the numbers of the evidence. Each kind is looked for when it is first asked for: most notes name few of them."""

    records: str
    ticket: str
    citations: frozenset[int]

    @classmethod
    def of(cls, *, records: str, ticket: str, citations: frozenset[int]) -> Facts:
        return cls(folded(records), folded(ticket), citations)

    @cached_property
    def addresses(self) -> frozenset[str]:
        return frozenset(addresses(read(self._both)))

    @cached_property
    def links(self) -> frozenset[str]:
        """URLs of the tenant's own records, which may be live."""
        return frozenset(urls(self.records))

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """URLs of the ticket too, which may not."""
        return frozenset([*urls(self._both), *urls(read(self._both))])

    @cached_property
    def article_ids(self) -> frozenset[str]:
        return frozenset(article_ids(self._both))

    @cached_property
    def numbers(self) -> frozenset[str]:
        return frozenset(_NUMBER.findall(self._both))

    @cached_property
    def _both(self) -> str:
        return f"{self.records}\n{self.ticket}"

    def knows_address(self, address: str) -> bool:
        """Addresses that name nobody's machine are known to all: loopback, netmasks, multicast, link-local."""
        value = ip_address(address)
        general = value.is_loopback or value.is_unspecified or value.is_multicast or value.is_link_local
        return general or value.is_reserved or address in self.addresses


def folded(text: str) -> str:
    """With digits, letters and brackets of other scripts and widths as the ASCII ones that they look like (NFKC)."""
    return text if text.isascii() else _FOREIGN.sub(lambda match: _ascii(match[0]), text)


def read(text: str) -> str:
    """As a person reads it who knows that `[.]` stands for a dot and `hxxp` for `http`. To look at, not to be shown."""
    lower = text.lower()
    if any(sign in lower for sign in _DEFUSED_DOT_SIGNS):
        text = _DEFUSED_DOT.sub(".", text)
    return _DEFUSED_SCHEME.sub(r"http\1", text) if "xxp" in lower or "**p" in lower else text


def addresses(text: str) -> set[str]:
    """IP addresses in their canonical form; `10.9.9.09` is `10.9.9.9`."""
    found: set[str] = set()
    decimal = {match for word in _words(text, _V4_SIGN) for match in _V4.findall(word)}
    candidates = {".".join(str(int(octet)) for octet in one.split(".")) for one in decimal}
    candidates |= {match for word in _words(text, _V6_SIGN) for match in _V6.findall(word)}
    for candidate in candidates:
        try:
            found.add(str(ip_address(candidate.rstrip(":") if not candidate.endswith("::") else candidate)))
        except ValueError:
            continue
    return found


def urls(text: str) -> list[str]:
    """Also without a scheme, if a path follows the host: `host.example/login`. The longest first, so that replacing one leaves no
    half of another."""
    found: set[str] = set()
    if "://" in text or "www." in text.lower():
        found.update(match for word in _words(text, _URL_SIGN) for match in _URL.findall(word))
    for word in _words(text, _BARE_URL_SIGN):
        found.update(match[0] for match in _BARE_URL.finditer(word) if not _FILE_ENDINGS.fullmatch(match["top"]))
    return sorted({match.rstrip(_TRAILING) for match in found}, key=len, reverse=True)


def article_ids(text: str) -> set[str]:
    """Numbers of articles written as KB-1042, KB#1042 or KB5005033."""
    lines = text.split("\n") if "kb" in text.lower() else ()
    return {number for line in lines if "kb" in line.lower() for number in _ARTICLE.findall(line)}


def named_articles(text: str) -> set[str]:
    """Numbers that are called an article's in words: `article 4242`."""
    return set(_NAMED_ARTICLE.findall(text)) if "art" in text.lower() else set()


def ticket_numbers(text: str) -> set[str]:
    """Numbers that are called a ticket's: `#52101`, `ticket 52101`, `INC-52101`."""
    return set(_TICKET.findall(text)) if _NUMBER.search(text) else set()


def _words(text: str, sign: re.Pattern[str]) -> list[str]:
    return [word for word in text.split() if sign.search(word)] if sign.search(text) else []


@lru_cache(4096)
def _ascii(char: str) -> str:
    if char in _BRACKETS:
        return _BRACKETS[char]
    if char.isdecimal():
        return str(int(char))
    plain = normalize("NFKC", char)
    return plain if _LOOKS_ASCII.fullmatch(plain) else char
