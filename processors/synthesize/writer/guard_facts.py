"""The facts that a text may name: those of the input it was written from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
_V6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]{2,39}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)
_URL = re.compile(r"(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.)[^\s<>\"'`)\]]{1,2000}", re.IGNORECASE)
_ARTICLE = re.compile(r"\bKB[- ]?(\d{3,10})\b", re.IGNORECASE)
_TICKET = re.compile(
    r"(?:(?<![\w&])#[ ]?|\b(?:tickets?|request|incident|case|INC|REQ|SR)"
    r"(?:[ ]?(?:no\.?|nr\.?|number|id))?[ :#-]{1,3})(\d{3,12})\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d{3,12}")
_TRAILING = ".,;:!?*_"


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
        both = f"{records}\n{ticket}"
        return cls(
            addresses=frozenset(addresses(both)),
            links=frozenset(urls(records)),
            mentioned=frozenset(urls(both)),
            article_ids=frozenset(article_ids(both)),
            numbers=frozenset(_NUMBER.findall(both)),
            citations=citations,
        )

    def knows_address(self, address: str) -> bool:
        """Addresses that name nobody's machine are known to all: loopback, netmasks, multicast, link-local."""
        value = ip_address(address)
        general = value.is_loopback or value.is_unspecified or value.is_multicast or value.is_link_local
        return general or value.is_reserved or address in self.addresses


def addresses(text: str) -> set[str]:
    """IP addresses in their canonical form."""
    found = set()
    for candidate in [*_V4.findall(text), *_V6.findall(text)]:
        try:
            found.add(str(ip_address(candidate.rstrip(":") if not candidate.endswith("::") else candidate)))
        except ValueError:
            continue
    return found


def urls(text: str) -> list[str]:
    """The longest first, so that replacing one leaves no half of another."""
    return sorted({match.rstrip(_TRAILING) for match in _URL.findall(text)}, key=len, reverse=True)


def article_ids(text: str) -> set[str]:
    """Numbers of articles written as KB-1042 or KB5005033."""
    return set(_ARTICLE.findall(text))


def ticket_numbers(text: str) -> set[str]:
    """Numbers that are called a ticket's: `#52101`, `ticket 52101`, `INC-52101`."""
    return set(_TICKET.findall(text))
