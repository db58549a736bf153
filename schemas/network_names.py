"""Addresses and host names in the text of a ticket.

A ticket's text is written by hand or pasted from a tool, so an address comes with a port, a prefix length, brackets, a zone id or
the end of a sentence, and much that looks like one is a version, a time or a MAC address. `ipaddress` has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TypeVar

MAX_ADDRESSES = 20
MAX_HOSTNAMES = 20

T = TypeVar("T")
Address = IPv4Address | IPv6Address

_VERSION_WORD = r"(?:version|ver|v|release|rel|build|rev|firmware)"
_VERSION = re.compile(rf"\b{_VERSION_WORD}\.?(?:\s+is)?[\s:=]{{1,3}}$", re.IGNORECASE)
_V4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\w|\.\w)")
_V6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]{2,39}(?:\.[0-9]{1,3}){0,3}(?!\w)")
_WORD = re.compile(r"(?<![\w.@/\\-])[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*(?![\w@-])")

_ASKED_V6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))


def addresses(text: str) -> tuple[Address, ...]:
    """The addresses named in `text` that can belong to a device, each once, at most 20, in the order of the text.

    Of `10.0.0.0/24` it is `10.0.0.0`, which finds the subnet. Left out: netmasks, loopback, multicast, unspecified and link-local
    addresses (they name a device only on one link), and four numbers behind a word such as "version"."""
    plain = text.replace("[.]", ".").replace(
        "(.)", "."
    )  # how security tools write addresses, so that nobody clicks on them
    found = sorted([*_v4(plain), *_v6(plain)], key=lambda hit: hit[0])
    return tuple(_first(MAX_ADDRESSES, (address for _, address in found)))


def hostnames(text: str) -> tuple[str, ...]:
    """Words of `text` that are shaped like a device's name, lower case, each once, at most 20, in the order of the text.

    A name has a digit or a hyphen and a letter (`qml-dms01`, `nas2`); of a longer name it is the first label. Many words that are
    none pass too (`re-install`): only the inventory knows."""
    words = (match.group().lower() for match in _WORD.finditer(text))
    return tuple(_first(MAX_HOSTNAMES, (word for word in words if _names_a_device(word))))


def _v4(text: str) -> Iterator[tuple[int, Address]]:
    for match in _V4.finditer(text):
        try:
            address = IPv4Address(match.group())
        except ValueError:
            continue
        if _asked_v4(address) and not _VERSION.search(text, max(0, match.start() - 20), match.start()):
            yield match.start(), address


def _v6(text: str) -> Iterator[tuple[int, Address]]:
    for match in _V6.finditer(text):
        address = _parsed_v6(match.group())
        if address is None:
            continue
        mapped = address.ipv4_mapped
        if mapped is not None and _asked_v4(mapped):
            yield match.start(), mapped
        elif any(address in network for network in _ASKED_V6):
            yield match.start(), address


def _parsed_v6(candidate: str) -> IPv6Address | None:
    """The zone id, if any, stands behind the candidate. Without a digit it is code such as `bad::cafe`."""
    text = candidate if candidate.endswith("::") else candidate.rstrip(":")
    if not any(character.isdigit() for character in text):
        return None
    try:
        return IPv6Address(text)
    except ValueError:
        return None


def _asked_v4(address: IPv4Address) -> bool:
    return not (
        address.is_loopback
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved  # 240.0.0.0/4 has the netmasks too
        or int(address) >> 24 == 0
    )


def _names_a_device(word: str) -> bool:
    return 3 <= len(word) <= 63 and ("-" in word or any(character.isdigit() for character in word))


def _first(count: int, values: Iterable[T]) -> list[T]:
    """The first `count` different values."""
    return list(dict.fromkeys(values))[:count]
