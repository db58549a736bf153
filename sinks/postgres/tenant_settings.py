"""A tenant's settings: their types, ranges and defaults, and how a text from a command line becomes one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
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


class Approver(StrEnum):
    """Who may change a setting."""

    SUPPORT = "support"
    ENGINEERING = "engineering approves"
    TENANT = "tenant"
    """Support, as the tenant wishes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a text becomes a setting's value, and what is allowed, in words. Calling it raises ValueError with these words."""

    allowed: str
    convert: Callable[[str | Value], Value | None]
    """None for what isn't allowed."""

    def __call__(self, value: str | Value) -> Value:
        found = self.convert(value)
        if found is None:
            raise ValueError(f"must be {self.allowed}")
        return found


@dataclass(frozen=True, slots=True)
class Rule:
    """`default` is what a new tenant has; None where it is given with the tenant."""

    approver: Approver
    default: Value | None = None


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


def allowed(name: str) -> str:
    """A setting's range in words."""
    return _PARSERS[name].allowed


def engineering(names: Iterable[str]) -> list[str]:
    """Of these settings, those that engineering must approve; a name that is none is left to `parse`."""
    return [name for name in names if name in RULES and RULES[name].approver is Approver.ENGINEERING]


def _whole(low: int, high: int) -> Kind:
    def convert(value: str | Value) -> Value | None:
        text = str(value).strip()
        return int(text) if re.fullmatch(r"-?\d{1,9}", text) and low <= int(text) <= high else None

    return Kind(f"a whole number from {low} to {high}", convert)


def _real(low: float, high: float) -> Kind:
    def convert(value: str | Value) -> Value | None:
        try:
            number = float(value)
        except ValueError:
            return None
        return number if low <= number <= high else None

    return Kind(f"a number from {low} to {high}", convert)


def _one_of(*choices: str) -> Kind:
    return Kind(f"one of {', '.join(choices)}", lambda value: str(value) if value in choices else None)


def _desk_address(value: str | Value) -> Value | None:
    """Whether the host may be reached is checked where it is connected to, by the address that it has then."""
    parts = urlsplit(str(value))
    wrong = parts.query or parts.fragment or parts.username or not parts.hostname
    return str(value).rstrip("/") if parts.scheme in ("https", "http") and not wrong else None


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


_TRUTHS: dict[str, Value] = {"true": True, "false": False}
_truth = Kind("true or false", lambda value: _TRUTHS.get(str(value).strip().lower()))
_url = Kind("like https://desk.example.com:8443, without user, query or fragment", _desk_address)

_PARSERS: dict[str, Kind] = {
    "servicedesk_base_url": _url,
    "servicedesk_form": _one_of(*FORMS),
    CA: Kind("certificates in PEM, or nothing for the public authorities", _certificates),
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
    "webhook_sources": Kind(f"at most {MOST_SOURCES} addresses and networks, separated by commas", _sources),
}

RULES: dict[str, Rule] = {
    "servicedesk_base_url": Rule(Approver.SUPPORT),
    "servicedesk_form": Rule(Approver.SUPPORT, "onprem"),
    "max_concurrent_jobs": Rule(Approver.ENGINEERING, 5),
    "enhancement_timeout_seconds": Rule(Approver.ENGINEERING, 120),
    "enable_context_caching": Rule(Approver.TENANT, True),
    "gpt4_model": Rule(Approver.TENANT, "gpt-4-turbo"),
    "gpt4_temperature": Rule(Approver.TENANT, 0.7),
    "external_model": Rule(Approver.TENANT, False),
    "fallback_model": Rule(Approver.TENANT, NO_MODEL),
    "fallback_builtin": Rule(Approver.TENANT, True),
    "webhook_rate_per_second": Rule(Approver.ENGINEERING, 20.0),
    "webhook_burst": Rule(Approver.ENGINEERING, 100),
    "webhook_auth": Rule(Approver.ENGINEERING, SIGNATURE),
    "webhook_sources": Rule(Approver.ENGINEERING, ""),
    CA: Rule(Approver.SUPPORT, ""),
}
