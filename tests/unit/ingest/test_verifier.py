"""Standard Webhooks: the published vectors, Deluge's, and everything that must not pass."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.verifier import BadSecret, SignedHeaders, Verdict, check, raw_key, read_headers, signature, verify

VECTORS = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b"1614265330",
        b'{"test": 2432232314}',
        b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        b"msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        b"1649367553",
        b'{"email":"test@example.com","username":"test_user"}',
        b"v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
]
KEY = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
OTHER = b"G" * 43
NOW = 1_700_000_000


def signed(body: bytes = b"{}", *, at: int = NOW, key: bytes = KEY, webhook_id: bytes = b"msg_1") -> SignedHeaders:
    return SignedHeaders(webhook_id, b"%d" % at, signature(key, webhook_id, b"%d" % at, body))


@pytest.mark.parametrize(("secret", "webhook_id", "timestamp", "body", "value"), VECTORS)
def test_published_vectors_are_valid(
    secret: str, webhook_id: bytes, timestamp: bytes, body: bytes, value: bytes
) -> None:
    headers = SignedHeaders(webhook_id, timestamp, value)
    assert verify(headers, body, [raw_key(secret)], int(timestamp)) is Verdict.VALID
    assert signature(raw_key(secret), webhook_id, timestamp, body) == value


def test_a_signature_with_one_changed_character_is_wrong() -> None:
    secret, webhook_id, timestamp, body, value = VECTORS[0]
    changed = value.replace(b"1OE=", b"1OA=")
    assert (
        verify(SignedHeaders(webhook_id, timestamp, changed), body, [raw_key(secret)], int(timestamp)) is Verdict.WRONG
    )


def test_another_spelling_of_the_same_base64_is_wrong() -> None:
    value = signed().signatures
    other = value[:-2] + bytes([value[-2] + 1]) + b"="
    assert b64decode(other[3:]) == b64decode(value[3:])
    assert verify(signed()._replace(signatures=other), b"{}", [KEY], NOW) is Verdict.WRONG


def test_deluge_signs_with_the_raw_text_of_the_same_secret() -> None:
    text = b"{Order ID: 0932, Currency: USD, Amount: 2500}"
    digest = hmac.digest(b"sk_5Ow7B_4eC39H", text, "sha256")
    assert b64encode(digest) == b"E3IZY+esQ59aLmPCYYVjk2R/P1G0k77r9ZGa9Lw94Zw="
    shown = "whsec_" + b64encode(KEY).decode()
    assert raw_key(shown) == KEY
    by_deluge = b"v1," + b64encode(hmac.digest(KEY, b"msg_1.%d.{}" % NOW, "sha256"))
    assert verify(SignedHeaders(b"msg_1", b"%d" % NOW, by_deluge), b"{}", [raw_key(shown)], NOW) is Verdict.VALID


def test_either_of_two_secrets_and_any_of_several_signatures_will_do() -> None:
    assert verify(signed(key=OTHER), b"{}", [KEY, OTHER], NOW) is Verdict.VALID
    several = b"v1a,xyz v1,AAAA " + signed().signatures + b" v2," + b"A" * 44
    assert verify(signed()._replace(signatures=several), b"{}", [KEY], NOW) is Verdict.VALID


@pytest.mark.parametrize(
    "value", [b"", b"v1,", b"v1", b"v2,", b",", b"  ", b"v1,\xff\xfe", b"V1,x", b"v1," + b"A" * 2000]
)
def test_what_is_no_signature_is_wrong_and_raises_nothing(value: bytes) -> None:
    assert verify(signed()._replace(signatures=value), b"{}", [KEY], NOW) is Verdict.WRONG


def test_a_signature_of_another_version_label_is_wrong() -> None:
    assert verify(signed()._replace(signatures=b"v2" + signed().signatures[2:]), b"{}", [KEY], NOW) is Verdict.WRONG


@pytest.mark.parametrize("change", ["body", "id", "timestamp"])
def test_each_signed_part_is_bound(change: str) -> None:
    headers, body = signed(), b"{}"
    if change == "body":
        body = b"{ }"
    elif change == "id":
        headers = headers._replace(webhook_id=b"msg_2")
    else:
        headers = headers._replace(timestamp=b"%d" % (NOW + 1))
    assert verify(headers, body, [KEY], NOW) is Verdict.WRONG


@pytest.mark.parametrize(("off", "verdict"), [(300, Verdict.VALID), (301, Verdict.STALE)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_may_be_300_seconds_off_either_way(off: int, verdict: Verdict, sign: int) -> None:
    assert verify(signed(at=NOW + sign * off), b"{}", [KEY], NOW) is verdict


def test_without_keys_nothing_is_valid() -> None:
    assert (
        verify(signed(key=b"compared when there is no secret, for the time it takes"), b"{}", [], NOW) is Verdict.WRONG
    )


@given(st.binary(max_size=300), st.binary(max_size=40), st.binary(max_size=300), st.binary(max_size=50))
def test_no_bytes_raise(webhook_id: bytes, timestamp: bytes, signatures: bytes, body: bytes) -> None:
    headers = read_headers([webhook_id], [timestamp], [signatures])
    if not isinstance(headers, str):
        assert verify(headers, body, [KEY], NOW) is Verdict.WRONG


@pytest.mark.parametrize(
    "timestamp", [b"", b"1.5", b"1e9", b" 1", b"+1", b"0x1", "١".encode(), b"1_0", b"9" * 20, b"nan"]
)
def test_a_timestamp_that_is_no_integer_is_refused(timestamp: bytes) -> None:
    assert isinstance(read_headers([b"msg_1"], [timestamp], [b"v1,x"]), str)


@pytest.mark.parametrize(
    ("ids", "timestamps", "signatures"),
    [
        ([], [b"1"], [b"v1,x"]),
        ([b"a"], [], [b"v1,x"]),
        ([b"a"], [b"1"], []),
        ([b"a", b"a"], [b"1"], [b"v1,x"]),
        ([b"a"], [b"1", b"1"], [b"v1,x"]),
        ([b"a"], [b"1"], [b"v1,x", b"v1,y"]),
        ([b""], [b"1"], [b"v1,x"]),
        ([b"a" * 257], [b"1"], [b"v1,x"]),
        ([b"a b"], [b"1"], [b"v1,x"]),
        ([b"\xff"], [b"1"], [b"v1,x"]),
        ([b"a"], [b"1"], [b"v" * 2049]),
    ],
)
def test_missing_doubled_and_oversized_headers_are_refused(
    ids: list[bytes], timestamps: list[bytes], signatures: list[bytes]
) -> None:
    assert isinstance(read_headers(ids, timestamps, signatures), str)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_%%%", "whsec_" + b64encode(b"short").decode(), b64encode(KEY).decode()]
)
def test_a_secret_that_is_none_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(BadSecret) as refused:
        raw_key(secret)
    assert not secret or secret.removeprefix("whsec_") == "" or secret not in str(refused.value)


@pytest.mark.parametrize(("keys", "place"), [([KEY, OTHER], 0), ([OTHER, KEY], 1), ([OTHER], None), ([], None)])
def test_it_says_which_of_the_keys_signed(keys: list[bytes], place: int | None) -> None:
    assert check(signed(), b"{}", keys, NOW).key == place


def test_every_key_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append(expected)
        return expected == given

    monkeypatch.setattr("ingest.verifier.hmac.compare_digest", compare)
    assert check(signed(), b"{}", [KEY, OTHER], NOW).key == 0
    assert len(compared) == 2
