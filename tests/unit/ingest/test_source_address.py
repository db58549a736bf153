"""Whose address counts as the source, and whom an X-Forwarded-For can't fool."""

from __future__ import annotations

from unittest import mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict
from pydantic import ValidationError

from ingest.settings import IngestSettings
from ingest.source_address import MOST_HOPS, UNKNOWN, SourceAddresses

PROXIES = SourceAddresses.parse(["10.0.0.0/8", "2001:db8:1::/48"])


def a_request(remote: str | None, *forwarded: str) -> web.Request:
    transport = mock.Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: (
        (remote, 4711) if name == "peername" and remote else default
    )
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    return make_mocked_request("GET", "/", headers=headers, transport=transport)


@pytest.mark.parametrize(
    ("remote", "forwarded", "source"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.7",), "203.0.113.9"),  # nobody we trust said so
        ("10.1.2.3", (), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.7",), "198.51.100.7"),
        ("10.1.2.3", ("192.0.2.1, 198.51.100.7",), "198.51.100.7"),  # the left one the sender wrote
        ("10.1.2.3", ("192.0.2.1", "198.51.100.7"), "198.51.100.7"),
        ("10.1.2.3", ("198.51.100.7, 10.9.9.9",), "198.51.100.7"),
        ("10.1.2.3", ("10.8.8.8, 10.9.9.9",), "10.8.8.8"),
        ("10.1.2.3", ("198.51.100.7, nonsense",), "10.1.2.3"),
        ("10.1.2.3", ("198.51.100.7:5678",), "198.51.100.7"),
        ("10.1.2.3", ("[2001:db8:2::7]:443",), "2001:db8:2::7"),
        ("10.1.2.3", ("",), "10.1.2.3"),
        ("::ffff:203.0.113.9", (), "203.0.113.9"),
        ("::ffff:10.1.2.3", ("198.51.100.7",), "198.51.100.7"),
        ("2001:db8:1::5", ("198.51.100.7",), "198.51.100.7"),
        (None, ("198.51.100.7",), UNKNOWN),
    ],
)
def test_the_source_is_the_first_address_that_is_no_trusted_proxy(
    remote: str | None, forwarded: tuple[str, ...], source: str
) -> None:
    assert PROXIES.of(a_request(remote, *forwarded)) == source


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert SourceAddresses().of(a_request("10.1.2.3", "198.51.100.7")) == "10.1.2.3"


def test_a_header_of_any_length_is_read_to_a_bound() -> None:
    long = ", ".join(["10.0.0.1"] * 100_000)
    assert PROXIES.of(a_request("10.1.2.3", f"198.51.100.7, {long}")) == "10.0.0.1"
    assert PROXIES.of(a_request("10.1.2.3", ", ".join(["198.51.100.7"] + ["10.0.0.1"] * MOST_HOPS))) == "10.0.0.1"


def test_the_setting_names_what_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    field = "trusted_proxies"
    monkeypatch.setenv("TICKETSTREAM_TRUSTED_PROXIES", "10.0.0.0/8, proxy.example.com")
    with pytest.raises(ValidationError) as raised:
        IngestSettings()  # the rest is missing
    told = [error["msg"] for error in raised.value.errors() if error["loc"] == (field,)]
    assert told and "'proxy.example.com' is neither an address nor a network" in told[0]
