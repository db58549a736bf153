"""Where a request came from: the connection's other end, or what a trusted proxy says of its own.

`X-Forwarded-For` is believed only as far as each hop that wrote it is trusted (TICKETSTREAM_TRUSTED_PROXIES): read from the right,
the first address that is no trusted proxy's is the source. Whatever stands left of it anybody may have written.
Source: https://developer.mozilla.org/docs/Web/HTTP/Headers/X-Forwarded-For#selecting_an_ip_address
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator

from infra.runtime.settings import CommaSeparated

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
MOST_HOPS = 20
LONGEST_HEADER = 2_000


@dataclass(frozen=True, slots=True)
class SourceAddresses:
    """`trusted` are the networks of our own proxies; with none, the connection's other end is the source."""

    trusted: Sequence[Network] = ()

    @classmethod
    def parse(cls, networks: Iterable[str]) -> SourceAddresses:
        """From addresses and CIDR networks. Raises ValueError that names the one that is neither."""
        return cls(tuple(_network(text) for text in networks))

    def of(self, request: web.Request) -> str:
        """The address as text, IPv4 in its own form also where it came within IPv6; `unknown` where there is none."""
        source = _address(request.remote or "")
        if source is None:
            return UNKNOWN
        if not self._trusts(source):
            return str(source)
        for hop in _hops(request):
            if hop is None:
                break  # not an address: what stands left of it is worth no more
            source = hop
            if not self._trusts(hop):
                break
        return str(source)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.trusted)


def _hops(request: web.Request) -> list[Address | None]:
    """The header's addresses from the right, those nearest to us first."""
    text = ",".join(request.headers.getall("X-Forwarded-For", ()))[-LONGEST_HEADER:]
    if not text:
        return []
    return [_address(hop.strip()) for hop in reversed(text.split(",")[-MOST_HOPS:])]


def _address(text: str) -> Address | None:
    """Also of `1.2.3.4:5678` and `[2001:db8::1]:5678`, as some proxies write it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _network(text: str) -> Network:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"{text.strip()!r} is neither an address nor a network such as 10.0.0.0/8") from None


def _networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    found = tuple(one.strip() for one in text.split(",") if one.strip())
    SourceAddresses.parse(found)
    return found


TrustedProxies = Annotated[CommaSeparated, BeforeValidator(_networks)]
"""A setting: addresses and networks, separated by commas, checked at start."""
