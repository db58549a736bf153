"""Which desks may be spoken to."""

from __future__ import annotations

import pytest

from sinks.servicedesk.addresses import AddressPolicy, BadDeskUrl

STRICT, LOCAL = AddressPolicy(), AddressPolicy(local=True)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://desk.example.com", "https://desk.example.com"),
        ("https://desk.example.com:8443/", "https://desk.example.com:8443"),
        (" https://sdp.example.com/app/itdesk/api/v3/ ", "https://sdp.example.com/app/itdesk"),
        ("https://93.184.216.34", "https://93.184.216.34"),
        ("https://[2606:2800:220:1::1]:8443", "https://[2606:2800:220:1::1]:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://itsm_1.corp-desk.example.", "https://itsm_1.corp-desk.example."),
        ("https://3com.example", "https://3com.example"),
    ],
)
def test_a_public_https_url_is_taken_without_its_ending(given: str, base: str) -> None:
    assert STRICT.check_url(given) == base


def test_what_one_policy_lets_pass_another_refuses_all_the_same() -> None:
    inside = "http://127.0.0.1:8080"
    for _ in range(2):
        assert LOCAL.check_url(inside) == inside
        with pytest.raises(BadDeskUrl):
            STRICT.check_url(inside)


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example.com",
        "ftp://desk.example.com",
        "desk.example.com",
        "https://",
        "https://user:secret@desk.example.com",
        "https://desk.example.com/?x=1",
        "https://desk.example.com/#x",
        "https://desk.example.com:99999",
        "https://desk.example.com/a b",
        "https://desk.example.com/\r\nHost: x",
        "https://localhost",
        "https://LOCALHOST.",
        "https://127.0.0.1",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://10.1.2.3",
        "https://192.168.0.1",
        "https://169.254.169.254/latest/meta-data",
        "https://168.63.129.16",
        "https://100.100.100.200",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://[fd00:ec2::254]",
        "https://[64:ff9b::7f00:1]",
        "https://[2002:7f00:1::]",
        "https://[fe80::1%25eth0]",
        "https://0.0.0.0",
        "https://0",
        "https://127.0.0.1.",
        "https://127.0.0.1..",
        "https://2130706433.",
        "https://0x7f.1.",
        "https://1.2.3.4.5",
        "https://[::127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b:1::7f00:1]",
        "https://[2001:0:7f00:1::]",
        "https://[fe80::1]",
        "https://desk.localhost",
        "https://desk.example.com@127.0.0.1",
        "https://desk.example.com\\@127.0.0.1",
        "https://127%2e0%2e0%2e1",
        "https://\N{FULLWIDTH DIGIT ONE}27.0.0.1",
        "https://127\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}0\N{IDEOGRAPHIC FULL STOP}1",
        "https://\N{CIRCLED DIGIT ONE}0.0.0.1",
        "https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example",
        "https://desk..example.com",
        "//desk.example.com",
        "https://224.0.0.1",
        "https://desk.example.com/" + "a" * 2000,
    ],
)
def test_what_is_not_https_or_leads_inside_is_refused(url: str) -> None:
    with pytest.raises(BadDeskUrl) as refused:
        STRICT.check_url(url)
    assert "secret" not in str(refused.value)


def test_the_local_stack_may_use_http_and_loopback() -> None:
    assert LOCAL.check_url("http://127.0.0.1:8085/acme/") == "http://127.0.0.1:8085/acme"
    with pytest.raises(BadDeskUrl):
        LOCAL.check_url("file:///etc/passwd")


@pytest.mark.parametrize("address", ["", "localhost", "127.0.0.1.", "0x7f.1", "10.0.0.1", "::1", "fe80::1%eth0"])
def test_only_what_is_surely_a_public_address_may_be_connected_to(address: str) -> None:
    assert not STRICT.allows(address)
    assert STRICT.allows("93.184.216.34") and STRICT.allows("2606:2800:220:1::1")
