"""Which addresses and names a ticket's text holds."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.network_names import addresses, hostnames


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The server would be 10.20.20.20 if that helps.", ["10.20.20.20"]),
        ("it is 10.20.20.20.", ["10.20.20.20"]),
        ("(10.20.20.20)", ["10.20.20.20"]),
        ("10.40.0.17 and 10.40.0.18 both alarming", ["10.40.0.17", "10.40.0.18"]),
        ("10.40.0.17,10.40.0.18;10.40.0.17", ["10.40.0.17", "10.40.0.18"]),
        ("range 192.168.1.10-192.168.1.20", ["192.168.1.10", "192.168.1.20"]),
        ("https://10.10.0.1:8443/login", ["10.10.0.1"]),
        ("ping 10.10.0.1:443 fails", ["10.10.0.1"]),
        (r"\\192.168.40.50\share", ["192.168.40.50"]),
        ("subnet 10.74.16.0/20 is full", ["10.74.16.0"]),
        ("interface 10.1.2.3/24", ["10.1.2.3"]),
        ("blocked 198.51.100[.]7 today", ["198.51.100.7"]),
        ("IP=10.0.0.5", ["10.0.0.5"]),
        ("10.0.0.5\n10.0.0.6", ["10.0.0.5", "10.0.0.6"]),
        ("gateway 2001:db8:71:10::25 is down", ["2001:db8:71:10::25"]),
        ("gateway 2001:DB8:71:10::25.", ["2001:db8:71:10::25"]),
        ("2001:db8:71:10::25: no route", ["2001:db8:71:10::25"]),
        ("http://[2001:db8::5]:8080/", ["2001:db8::5"]),
        ("2001:db8::5%eth0 unreachable", ["2001:db8::5"]),
        ("prefix 2001:db8:71::/48", ["2001:db8:71::"]),
        ("fd12:3456:789a::1", ["fd12:3456:789a::1"]),
        ("2001:0db8:0000:0000:0000:0000:0000:0005", ["2001:db8::5"]),
        ("::ffff:10.0.0.9 connected", ["10.0.0.9"]),
        ("::ffff:a00:9 connected", ["10.0.0.9"]),
        ("first 2001:db8::1 then 10.0.0.1", ["2001:db8::1", "10.0.0.1"]),
    ],
)
def test_addresses_are_found_as_people_and_tools_write_them(text: str, expected: list[str]) -> None:
    assert [str(address) for address in addresses(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "updated to 10.2.3 yesterday",
        "build 10.0.19045.3803",
        "version 12.3.1.4",
        "Version: 7.4.8.1",
        "firmware is 1.2.3.4",
        "v1.2.3.4",
        "1.2.3.4.5",
        "10.1.2.3456",
        "999.1.1.1",
        "10.01.02.03",
        "10.0.0.1.nip.io",
        "netmask 255.255.255.0",
        "0.0.0.0:80",
        "localhost 127.0.0.1 and ::1",
        "multicast 224.0.0.251 and ff02::fb",
        "169.254.88.17 says our teacher",
        "fe80::1ff:fe23:4567:890a%eth2",
        "fe80::1%en0",
        "MAC 00:1a:2b:3c:4d:5e",
        "12:30:45",
        "bad::cafe and std::vector",
        "::",
        "see: :: the end ::",
        "2026-01-31T09:00:00.000Z",
        "",
    ],
)
def test_what_only_looks_like_an_address_is_left_out(text: str) -> None:
    assert addresses(text) == ()


def test_at_most_twenty_addresses_count_and_the_first_ones_win() -> None:
    text = " ".join(f"10.0.0.{n}" for n in range(1, 100))
    assert [str(address) for address in addresses(text)] == [f"10.0.0.{n}" for n in range(1, 21)]


def test_repeated_addresses_do_not_use_up_the_twenty() -> None:
    assert len(addresses("10.0.0.1 " * 50 + "10.0.0.2")) == 2


@given(st.ip_addresses(v=6, network="2000::/3") | st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_any_address_that_a_device_may_have_is_found_in_a_sentence(address: object) -> None:
    expected = ip_address(str(address))
    mapped = getattr(expected, "ipv4_mapped", None)
    assert addresses(f"host {address}, please look") == (mapped or expected,)


@given(st.text(alphabet="0123456789abcdef:.%/[] -v\n", max_size=300))
def test_no_text_makes_it_fail(text: str) -> None:
    addresses(text)


@pytest.mark.parametrize("unit", ["1.", "a:", ":", "1.2.3.", "ab1", "a-", "::1", "f"])
def test_hostile_text_of_64_kib_takes_no_time(unit: str) -> None:
    text = (unit * 65536)[:65536]
    started = time.perf_counter()
    addresses(text)
    hostnames(text)
    assert time.perf_counter() - started < 1.0


def test_hostnames_are_words_with_a_hyphen_or_a_digit() -> None:
    text = "Red line for QML-DMS01 in the report, nas2 too; box nbl-dav-ap-a07 has no light. mail to a1@b2.example"
    assert hostnames(text) == ("qml-dms01", "nas2", "nbl-dav-ap-a07")


def test_a_full_name_counts_by_its_first_label() -> None:
    assert hostnames("cannot reach bw-hus-dc1.brisefjord.local") == ("bw-hus-dc1",)
