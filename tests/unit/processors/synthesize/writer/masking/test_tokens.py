"""Tokens and private keys: vendors' shapes, random text after a key word, and what only looks random."""

from __future__ import annotations

import pytest

from processors.synthesize.writer.masking.masker import found
from processors.synthesize.writer.masking.private_keys import private_keys
from processors.synthesize.writer.masking.tokens import tokens

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
HITS = [
    ("key " + "AKIA" + "IOSFODNN7EXAMPLE in the script", "AKIA" + "IOSFODNN7EXAMPLE"),
    (
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    ),
    ("gh" + "p_" + "a1B2" * 9, "gh" + "p_" + "a1B2" * 9),
    ("xox" + "b-1234567890-abcdefGHIJ", "xox" + "b-1234567890-abcdefGHIJ"),
    (f"Authorization: Bearer {JWT}", JWT),
    ("sk-or-v1-" + "0a1b2c3d4e5f" * 4, "sk-or-v1-" + "0a1b2c3d4e5f" * 4),
    ("API key: 9f8e7d6c5b4a39281706f5e4d3c2b1a0", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
    ("token=Zm9vYmFyMTIzNDU2Nzg5MA==", "Zm9vYmFyMTIzNDU2Nzg5MA=="),
    ("smb://scan:Toner77x@10.0.0.5/share", "Toner77x"),
]
NEAR_MISSES = [
    "the token is not answered at 48 percent",
    "token store was bound to the old TPM",
    "SHA-256 of the file 9f8e7d6c5b4a39281706f5e4d3c2b1a0",  # no key word: a checksum may stay
    "secret santa list of the customer-service-department",
    "http://intranet.example:8080/path@home",
    "certificate qml-dc01.quillmark-law.example",
    "api key of the vendor was renewed",
]


@pytest.mark.parametrize(("text", "secret"), HITS)
def test_a_token_is_found(text: str, secret: str) -> None:
    assert [text[span.start : span.end] for span in found(text, (tokens,))] == [secret]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_words_and_checksums_stay(text: str) -> None:
    assert [text[span.start : span.end] for span in tokens(text)] == []


def test_a_private_key_block_goes_as_a_whole() -> None:
    block = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEow\nAbc+/=\n-----END " + "RSA PRIVATE KEY-----"
    text = f"see\n{block}\nthat is all"
    assert [text[span.start : span.end] for span in private_keys(text)] == [block]


def test_a_private_key_without_its_end_goes_up_to_the_next_prose() -> None:
    text = "-----BEGIN " + "OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r\n\nthanks and bye"
    [span] = private_keys(text)
    assert text[span.end :].strip() == "thanks and bye"


def test_a_certificate_and_a_public_key_stay() -> None:
    assert not list(
        private_keys("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----")
    )
