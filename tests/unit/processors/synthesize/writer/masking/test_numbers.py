"""Cards, IBANs, phones, e-mail addresses: numbers with a checksum or a form, against those of machines and tickets."""

from __future__ import annotations

import pytest

from processors.synthesize.writer.masking.cards import cards, luhn
from processors.synthesize.writer.masking.email_addresses import email_addresses
from processors.synthesize.writer.masking.ibans import ibans
from processors.synthesize.writer.masking.phones import phones
from processors.synthesize.writer.masking.spans import Rule

HITS: list[tuple[Rule, str, str]] = [
    (cards, "card 4111 1111 1111 1111 exp", "4111 1111 1111 1111"),
    (cards, "5500-0000-0000-0004", "5500-0000-0000-0004"),
    (cards, "amex 378282246310005.", "378282246310005"),
    (cards, "4111.1111.1111.1111", "4111.1111.1111.1111"),
    (cards, "4111\u00a01111\u00a01111\u00a01111", "4111\u00a01111\u00a01111\u00a01111"),
    (cards, "cc_4111111111111111", "4111111111111111"),
    (ibans, "to DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
    (ibans, "GB82WEST12345698765432 today", "GB82WEST12345698765432"),
    (ibans, "konto NO93 8601 1117 947", "NO93 8601 1117 947"),
    (email_addresses, "write to front.office+it@quillmark-law.example.", "front.office+it@quillmark-law.example"),
    (email_addresses, "<leeds@quillmark-law.example>", "leeds@quillmark-law.example"),
    (email_addresses, "müller@firma-süd.example", "müller@firma-süd.example"),
    (phones, "ring +44 20 7946 0018 now", "+44 20 7946 0018"),
    (phones, "0049 (30) 901820", "0049 (30) 901820"),
    (phones, "call me on 01632 960123", "01632 960123"),
    (phones, "Tel.: 030/901820-44", "030/901820-44"),
    (phones, "mobile 07700 900123", "07700 900123"),
    (phones, "(212) 555-0123", "(212) 555-0123"),
    (phones, "dial 212-555-0123", "212-555-0123"),
    (phones, "mon portable 06 12 34 56 78 merci", "06 12 34 56 78"),
    (phones, "06.12.34.56.78", "06.12.34.56.78"),
    (phones, "+49.30.1234567", "+49.30.1234567"),
]
NEAR_MISSES: list[tuple[Rule, str]] = [
    (cards, "order 4111 1111 1111 1112"),  # check digit
    (cards, "IMEI 490154203237518"),  # Luhn is right, no scheme has it
    (cards, "serial 1234567890123456"),
    (cards, "2026-03-04 12:30:00 1234"),
    (ibans, "DE88 3704 0044 0532 0130 00"),  # check digits
    (ibans, "KB12 3456 7890 1234 5678"),
    (ibans, "host ab12cdefghijklmnopq"),
    (email_addresses, "git@host, user@localhost, a @ b.c"),
    (email_addresses, "Outlook 16.0.14326@x64"),
    (phones, "error 0x0000011b and 0x80070035"),
    (phones, "10.40.0.17 and 192.168.100.200"),
    (phones, "event 4740, 4771 and 6273"),
    (phones, "ticket 52101, KB5005033"),
    (phones, "2026-03-04 08:12:00"),
    (phones, "since 04.03.2026 08:12"),
    (phones, "FortiOS 7.4.8 build 2795"),
    (phones, "0000011b 0000000000"),
    (phones, "call 1205 deadlocked"),
    (phones, "pool .50 to .199, lease 8 hours"),
    (phones, "AC-0020 10.20.10.0/24"),
    (phones, "00:1a:2b:3c:4d:5e"),
    (phones, "01-23-45-67-89-01"),
    (phones, "VLANs 01 02 03 04 05 06"),
    (phones, "+10.20.20.20 and +04.03.2026"),
    (cards, "10.20.30.40 and 16.0.14326.20404"),
    (cards, "4111.1111.1111.1112"),
]


@pytest.mark.parametrize(("rule", "text", "value"), HITS)
def test_personal_data_is_found(rule: Rule, text: str, value: str) -> None:
    assert {text[span.start : span.end] for span in rule(text)} == {value}


@pytest.mark.parametrize(("rule", "text"), NEAR_MISSES)
def test_numbers_of_machines_and_tickets_stay(rule: Rule, text: str) -> None:
    assert [text[span.start : span.end] for span in rule(text)] == []


def test_luhn_knows_the_check_digit() -> None:
    assert luhn("79927398713")
    assert not any(luhn(f"7992739871{digit}") for digit in "012456789")
