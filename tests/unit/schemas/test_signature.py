"""What a signature covers, pinned: other people's verifiers are written after the same words of the contract."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.signature import BadSignatureHeader, Signed, format_signature, parse_signature

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNED = Signed(
    topic="tickets.received",
    partition=12,
    key=b"msp-acme-corp",
    id="0b7e5c1e-4f56-5a9e-9a6a-6f3a4d5b8c01",
    type="com.ticketstream.TicketReceived.v1",
    tenant_id="msp-acme-corp",
    subject="10042-ä",
    time="2026-01-31T09:00:00.000Z",
    value=b"\x00\x00\x00\x03\xe9value",
)
SIGNATURE = "zn7ULDkGgSOeSB1+c6i3fYuHxlTcE/J+X4JJ9QcOPFnhhqGgUHDshBVrP0lhcYYIWhpBbp+KbT5Zqw9Lpx40Bg=="
HEADER = f"ed25519;ingest-0123456789ab;{SIGNATURE}"


def test_fixed_vector() -> None:
    message = SIGNED.message()
    assert sha256(message).hexdigest() == "fe0b8bdd103ffdb53dcfb2fbc43b5fd1e747a71f7ad87e30f9119fee2d8ea0c8"
    assert b64encode(KEY.sign(message)).decode() == SIGNATURE
    assert message.startswith(b"\x00\x00\x00\x10tickets.received\x00\x00\x00\x0212\x00\x00\x00\x0dmsp-acme-corp")


OTHERS = {
    "topic": "blue-tickets.received",
    "partition": 13,
    "key": b"msp-nordwind",
    "id": "0b7e5c1e-4f56-5a9e-9a6a-6f3a4d5b8c02",
    "type": "com.ticketstream.TicketEnriched.v1",
    "tenant_id": "msp-nordwind",
    "subject": "10043",
    "time": "2026-01-31T09:00:00.001Z",
    "value": b"\x00\x00\x00\x03\xe9Value",
}


@pytest.mark.parametrize("name", Signed._fields)
def test_whatever_is_changed_breaks_it(name: str) -> None:
    _, signature = parse_signature(HEADER)
    KEY.public_key().verify(signature, SIGNED.message())
    changed = SIGNED._replace(**{name: OTHERS[name]})  # type: ignore[arg-type]
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(signature, changed.message())


def test_letters_can_not_wander_from_one_part_to_the_next() -> None:
    moved = SIGNED._replace(tenant_id="msp-acme-corp1", subject="0042-ä")
    assert moved.message() != SIGNED._replace(tenant_id="msp-acme-corp", subject="10042-ä").message()
    assert SIGNED._replace(partition=1, key=b"2x").message() != SIGNED._replace(partition=12, key=b"x").message()


def test_the_header_is_read_as_it_was_written() -> None:
    signature = KEY.sign(b"x")
    assert parse_signature(format_signature("enrich-0123456789ab", signature)) == ("enrich-0123456789ab", signature)


@pytest.mark.parametrize(
    "header",
    [
        "",
        ";;",
        "ed25519",
        "ed25519;;" + SIGNATURE,
        "ed25519;key",
        "ed25519;key;",
        "ed25519;key;" + SIGNATURE[:-4],
        "ed25519;key;" + SIGNATURE + SIGNATURE,
        "ed25519;key;" + SIGNATURE.replace("=", ""),
        "ed25519;key;" + " " + SIGNATURE,
        "ed25519;key;" + SIGNATURE + "\n",
        "ed25519;key;" + SIGNATURE.replace("+", "-"),
        "ed25519;key;é" + SIGNATURE[1:],
        "Ed25519;key;" + SIGNATURE,
        "rsa;key;" + SIGNATURE,
        "ed25519;key;other;" + SIGNATURE,
        "ed25519;" + "k" * 600 + ";" + SIGNATURE,
    ],
)
def test_other_headers_are_refused(header: str) -> None:
    with pytest.raises(BadSignatureHeader):
        parse_signature(header)
