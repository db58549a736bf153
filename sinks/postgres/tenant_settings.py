"""A tenant's settings: their types, ranges and defaults, and how a text from a command line becomes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from urllib.parse import urlsplit

from sinks.certificates import read_certificates

MODELS = ("gpt-4-turbo", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini")
"""The allow-list of `gpt4_model`, by OpenRouter's names without the provider."""
NO_MODEL = "none"
"""A `fallback_model` that says: no other model."""
SIGNATURE, BEARER = "signature", "bearer"
"""How a tenant's webhooks are known: signed, or for desks that can't sign by a bearer secret from listed addresses."""
MOST_SOURCES, WIDEST_IPV4, WIDEST_IPV6 = 50, 8, 32
FORMS = ("onprem", "cloud")
CA = "servicedesk_ca"
"""Too long to be among what every process follows: read with the credential (see `sinks.postgres.credentials`)."""
TENANT_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


class BadSetting(ValueError):
    """The name is no setting, or the value is out of its range; the text says what is allowed."""


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """A row of `tenant_configs`, without secrets. Satisfies the runner's `TenantLimit`."""

    tenant_id: str
    partition: int
    enabled: bool
    servicedesk_base_url: str
    servicedesk_form: str
    max_concurrent_jobs: int
    enhancement_timeout_seconds: int
    enable_context_caching: bool
    gpt4_model: str
    gpt4_temperature: float
    external_model: bool
    webhook_rate_per_second: float
    webhook_burst: int
    changed_at: datetime | None = None
    """When anything of the tenant was changed last, its desk's credential included."""
    fallback_model: str = NO_MODEL
    fallback_builtin: bool = True
    webhook_auth: str = SIGNATURE
    webhook_sources: str = ""
    """From where a bearer secret is taken: addresses and networks, separated by commas."""


Value = str | int | float | bool


def parse(values: Mapping[str, str | Value]) -> dict[str, Value]:
    """Settings by name, each in its type and range. Raises BadSetting for the first that isn't."""
    return {name: _parse_one(name, value) for name, value in values.items()}


def _parse_one(name: str, value: str | Value) -> Value:
    if name not in _PARSERS:
        raise BadSetting(f"{name!r} is no setting. There are: {', '.join(_PARSERS)}")
    try:
        return _PARSERS[name](value)
    except ValueError as error:
        raise BadSetting(f"{name}: {error}") from error


def _whole(low: int, high: int) -> Callable[[str | Value], Value]:
    def parse_whole(value: str | Value) -> Value:
        text = str(value).strip()
        if not re.fullmatch(r"-?\d{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse_whole


def _real(low: float, high: float) -> Callable[[str | Value], Value]:
    def parse_real(value: str | Value) -> Value:
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a number from {low} to {high}")
        return number

    return parse_real


def _truth(value: str | Value) -> Value:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _one_of(*choices: str) -> Callable[[str | Value], Value]:
    def parse_choice(value: str | Value) -> Value:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return parse_choice


def _url(value: str | Value) -> Value:
    """Whether the host may be reached is checked where it is connected to, by the address that it has then."""
    parts = urlsplit(str(value))
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be like https://desk.example.com:8443, without user, query or fragment")
    return str(value).rstrip("/")


def _certificates(value: str | Value) -> Value:
    """PEM certificates, or nothing for the public authorities."""
    text = str(value).strip()
    return read_certificates(text, now=datetime.now(UTC)).pem if text else ""


def told(name: str, value: Value) -> str:
    """A setting's value as people are told it: certificates by name, fingerprint and end."""
    if name == CA:
        return str(read_certificates(str(value))) if value else "none"
    return str(value)


def _sources(value: str | Value) -> Value:
    texts = [text.strip() for text in str(value).split(",") if text.strip()]
    if len(texts) > MOST_SOURCES:
        raise ValueError(f"at most {MOST_SOURCES} addresses and networks")
    return ",".join(_source(text) for text in texts)


def _source(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a network such as 203.0.113.0/24") from None
    widest = WIDEST_IPV4 if network.version == 4 else WIDEST_IPV6
    if network.prefixlen < widest:
        raise ValueError(f"{text} is too wide: at least /{widest}")
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


_PARSERS: dict[str, Callable[[str | Value], Value]] = {
    "servicedesk_base_url": _url,
    "servicedesk_form": _one_of(*FORMS),
    CA: _certificates,
    "max_concurrent_jobs": _whole(1, 50),
    "enhancement_timeout_seconds": _whole(30, 300),
    "enable_context_caching": _truth,
    "gpt4_model": _one_of(*MODELS),
    "gpt4_temperature": _real(0.0, 1.0),
    "external_model": _truth,
    "fallback_model": _one_of(NO_MODEL, *MODELS),
    "fallback_builtin": _truth,
    "webhook_rate_per_second": _real(0.1, 1000),
    "webhook_burst": _whole(1, 10_000),
    "webhook_auth": _one_of(SIGNATURE, BEARER),
    "webhook_sources": _sources,
}
