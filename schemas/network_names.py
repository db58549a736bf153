"""Addresses and host names in the text of a ticket.

A ticket's text is written by hand or pasted from a tool, so an address comes with a port, a prefix length, brackets, a zone id or
the end of a sentence, and much that looks like one is a version, a time or a MAC address. `ipaddress` has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TypeVar

MAX_ADDRESSES = 20
MAX_HOSTNAMES = 20

REMEMBERED_TEXTS = 64
REMEMBERED_LENGTH = 16_384
"""A ticket is kept, searched for and looked up in the inventory at about the same time: its text is read once. At most 4 MB."""

T = TypeVar("T")
Address = IPv4Address | IPv6Address

_VERSION_WORD = r"(?:version|ver|v|release|rel|build|rev|firmware)"
_VERSION = re.compile(rf"\b{_VERSION_WORD}\.?(?:\s+is)?[\s:=]{{1,3}}$", re.IGNORECASE)
_V4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\w|\.\w)")
_V6 = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:)[0-9A-Fa-f:]{2,39}(?:\.[0-9]{1,3}){0,3}(?!\w)")
_MAYBE_V4 = re.compile(r"[0-9]\.[0-9]{1,3}\.")
_MAYBE_V6 = re.compile(r":[0-9A-Fa-f.]*:")
"""Quick looks: most texts have nothing of the kind."""

_NAME = re.compile(
    r"(?<![\w.@/\\-])[A-Za-z](?=[A-Za-z0-9]*[0-9-])[A-Za-z0-9]*(?:-[A-Za-z0-9]+)*(?![\w@-])"
)  # the look-ahead leaves out plain words, which are most, without a step of Python each

_ASKED_V6 = (IPv6Network("2000::/3"), IPv6Network("fc00::/7"))


def addresses(text: str) -> tuple[Address, ...]:
    """The addresses named in `text` that can belong to a device, each once, at most 20, in the order of the text.

    Of `10.0.0.0/24` it is `10.0.0.0`, which finds the subnet. Left out: netmasks, loopback, multicast, unspecified and link-local
    addresses (they name a device only on one link), and four numbers behind a word such as "version"."""
    return _remembered_addresses(text) if len(text) <= REMEMBERED_LENGTH else _addresses(text)


def hostnames(text: str) -> tuple[str, ...]:
    """Words of `text` that are shaped like a device's name, lower case, each once, at most 20, in the order of the text.

    A name has a digit or a hyphen and a letter (`qml-dms01`, `nas2`); of a longer name it is the first label. Many words that are
    none pass too (`re-install`): only the inventory knows."""
    return _remembered_hostnames(text) if len(text) <= REMEMBERED_LENGTH else _hostnames(text)


def _addresses(text: str) -> tuple[Address, ...]:
    plain = text.replace("[.]", ".").replace(
        "(.)", "."
    )  # how security tools write addresses, so that nobody clicks on them
    found = sorted([*_v4(plain), *_v6(plain)], key=lambda hit: hit[0])
    return tuple(_first(MAX_ADDRESSES, (address for _, address in found)))


def _hostnames(text: str) -> tuple[str, ...]:
    names = (match.group().lower() for match in _NAME.finditer(text))
    return tuple(_first(MAX_HOSTNAMES, (name for name in names if 3 <= len(name) <= 63)))


_remembered_addresses = lru_cache(REMEMBERED_TEXTS)(_addresses)
_remembered_hostnames = lru_cache(REMEMBERED_TEXTS)(_hostnames)


def _v4(text: str) -> Iterator[tuple[int, Address]]:
    if not _MAYBE_V4.search(text):
        return
    for match in _V4.finditer(text):
        try:
            address = IPv4Address(match.group())
        except ValueError:
            continue
        if _asked_v4(address) and not _VERSION.search(text, max(0, match.start() - 20), match.start()):
            yield match.start(), address


def _v6(text: str) -> Iterator[tuple[int, Address]]:
    if not _MAYBE_V6.search(text):
        return
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


def _first(count: int, values: Iterable[T]) -> list[T]:
    """The first `count` different values."""
    return list(dict.fromkeys(values))[:count]
