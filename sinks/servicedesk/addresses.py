"""Which addresses a tenant's desk may have: https, and nothing inside our own network.

A desk's URL is given by a tenant, so it must not become a way into the cluster or to a cloud's metadata service. Names are
resolved here and only the addresses that passed are handed on to be connected to, so a name can't point elsewhere a moment
later (DNS rebinding). Source: OWASP, "Server-Side Request Forgery Prevention".
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

MAX_URL_CHARS = 2000
MOST_REMEMBERED = 1000
# Public by their numbers, yet internal to a cloud: Azure's wire server.
_INTERNAL_THOUGH_GLOBAL = frozenset({ip_address("168.63.129.16")})
_NAT64 = ip_network("64:ff9b::/96")
_NAME = re.compile(r"(?!(.*\.)?\d+\.?$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_LOCAL_NAME = re.compile(r"(^|\.)localhost\.?$", re.IGNORECASE)


class BadDeskUrl(ValueError):
    """The URL can't be a desk's; the text says why and what to do."""


class ForbiddenAddress(OSError):
    """A name leads to an address inside a private network."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """`local` (only under `ticketstream up`) allows http and every address."""

    local: bool = False

    @lru_cache(maxsize=MOST_REMEMBERED)  # noqa: B019 — a policy is a value, there are two
    def check_url(self, url: str) -> str:
        """The base URL without a trailing slash or `/api/v3`. Raises BadDeskUrl. Names are checked when they are resolved. The last
        1,000 that passed are remembered, since a desk's is asked for with each call."""
        try:
            parts = urlsplit(url.strip())
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise BadDeskUrl(f"not a URL: {error}. Expected https://host[:port][/app/portal]") from error
        if not host or len(url) > MAX_URL_CHARS or any(ord(c) <= 32 or ord(c) == 127 for c in url.strip()):
            raise BadDeskUrl("not a URL with a host. Expected https://host[:port][/app/portal]")
        if parts.scheme != "https" and not (self.local and parts.scheme == "http"):
            raise BadDeskUrl(f"scheme '{parts.scheme}' is not https. Give the desk's https address")
        if parts.username is not None or parts.query or parts.fragment:
            raise BadDeskUrl("a user name, query or fragment is in the URL. Give only https://host[:port][/app/portal]")
        self._check_host(host)
        return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/").removesuffix("/api/v3")

    def allows(self, address: str) -> bool:
        """Whether this IP address may be connected to."""
        if self.local:
            return True
        try:
            ip = ip_address(address.split("%")[0])
        except ValueError:
            return False  # a name, or an address in a form of its own
        return _is_public(ip) and all(_is_public(inner) for inner in _embedded(ip))

    def _check_host(self, host: str) -> None:
        """Letters and digits of other alphabets are refused: a resolver may read them as an address."""
        address = _as_address(host.rstrip("."))
        if (address and not self.allows(address)) or (not self.local and _LOCAL_NAME.search(host)):
            raise BadDeskUrl(f"{host} is an internal address. Give an address that is reachable from the internet")
        if not address and not _NAME.fullmatch(host):
            raise BadDeskUrl(
                f"{host!r} is no host name. Give it in letters, digits and hyphens (an international one as xn--...)"
            )


class CheckedResolver(AbstractResolver):
    """Resolves names to those of their addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises ForbiddenAddress if none of the name's addresses is allowed, OSError if it has none."""
        found = await self._resolver.resolve(host, port, family)
        allowed = [result for result in found if self._policy.allows(result["host"])]
        if found and not allowed:
            raise ForbiddenAddress(f"{host} has only internal addresses")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


def _as_address(host: str) -> str | None:
    """The host as an address if it is one in any notation that a system's resolver takes: also 127.1, 0x7f000001."""
    try:
        return str(ip_address(host.split("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and ip not in _INTERNAL_THOUGH_GLOBAL


def _embedded(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for on a network with mapping, 6to4, Teredo or NAT64."""
    if isinstance(ip, IPv4Address):
        return []
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [address for address in inner if address is not None]
