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
    ("S" + "G." + "aB3x" * 5 + "." + "q1W2" * 10, "S" + "G." + "aB3x" * 5 + "." + "q1W2" * 10),
    ("h" + "f_" + "aB3" * 12, "h" + "f_" + "aB3" * 12),
    ("do" + "p_v1_" + "a1b2c3d4" * 8, "do" + "p_v1_" + "a1b2c3d4" * 8),
    ("1000" + ".8cb99d4a1b2c3.9b8f4a1b2c3d4e5", "1000" + ".8cb99d4a1b2c3.9b8f4a1b2c3d4e5"),
    ("refresh_token=1000" + ".8cb99d4a1b2c3.9b8f4a1b2c3d4e5", "1000" + ".8cb99d4a1b2c3.9b8f4a1b2c3d4e5"),
    ("xa" + "pp-1-A012-123-abcdef0123456789", "xa" + "pp-1-A012-123-abcdef0123456789"),
    ("MY_gh" + "p_" + "a1B2" * 9, "gh" + "p_" + "a1B2" * 9),
    ("recovery key " + "-".join(["123456"] * 8), "-".join(["123456"] * 8)),
    ("Windows " + "-".join(["AB3DE"] * 5), "-".join(["AB3DE"] * 5)),
    ("apikey=abcdefghijklmnop", "abcdefghijklmnop"),
    ('{"apiKey": "abcdefghijklmnop"}', "abcdefghijklmnop"),
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
    "Token: Benutzerauthentifizierung",
    "the GUID 6f9619ff-8b86-d011-b42d-00cf4fc964ff",
    "SID S-1-5-21-3623811015-3361044348-30300820-1013",
    "range 123456-234567",
    "Windows 1000.0.14326.20404",
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


@pytest.mark.parametrize("end", ["", "Private-MAC: 0123456789abcdef\n", "\nthanks and bye"])
def test_a_putty_key_goes_as_a_whole(end: str) -> None:
    head = (
        "PuTTY-User-Key-File-3"
        + ": ssh-rsa\nEncryption: none\nComment: rsa-key-2026\nPublic-Lines: 1\nAAAAB3NzaC1yc2EAAAAD\n"
    )
    text = f"see\n{head}Private-Lines: 2\nAAABAQCabcdef0123456789\nq1==\n{end}"
    [span] = private_keys(text)
    assert text[: span.start] == "see\n"
    assert "AAABAQC" not in text[span.end :] and "MAC" not in text[span.end :]
    assert text.endswith("thanks and bye") is text[span.end :].endswith("thanks and bye")


def test_a_certificate_and_a_public_key_stay() -> None:
    assert not list(
        private_keys("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----")
    )


A = "a1B2" * 12
BY_SHAPE = [
    *(f"{prefix}ABCDEFGHIJKLMNOP" for prefix in ("AKIA", "ASIA", "ABIA", "ACCA")),
    *(f"{prefix}_{A[:40]}" for prefix in ("ghp", "gho", "ghu", "ghs", "ghr", "github_pat")),
    *(f"{prefix}-{A[:24]}" for prefix in ("glpat", "glrt", "gldt", "xoxb", "xapp-1", "sk")),
    *(f"{prefix}_{kind}_{A[:20]}" for prefix in ("sk", "rk", "pk") for kind in ("live", "test")),
    f"https://hooks.slack.com/services/{A[:24]}",
    f"eyJ{A[:12]}.{A[:12]}.{A[:12]}",
    f"AIza{A[:35]}",
    f"ya29.{A[:24]}",
    f"1//0{A[:24]}",
    "1000.0abc1def2g.0abc1def2g",
    f"SG.{A[:20]}.{A[:20]}",
    f"hf_{A[:32]}",
    *(f"{prefix}_v1_{'ab12' * 8}" for prefix in ("doo", "dop", "dor")),
    f"whsec_{A[:24]}",
    f"tst_{A[:24]}",
    f"npm_{A[:36]}",
    "123456-123456-123456-123456",
    "AB1CD-EF2GH-IJ3KL-MN4OP-QR5ST",
]


@pytest.mark.parametrize("token", BY_SHAPE)
def test_each_known_shape_is_found_by_itself(token: str) -> None:
    assert [(span.start, span.end) for span in tokens(f"see {token} there")] == [(4, 4 + len(token))]
