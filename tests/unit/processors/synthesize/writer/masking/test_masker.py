"""The masker: the same placeholder for the same value, and only what may come back comes back."""

from __future__ import annotations

import time

from processors.synthesize.writer.masking import Masker, secrets_removed


def test_one_value_has_one_placeholder_in_all_texts_of_a_task() -> None:
    masker = Masker()
    assert masker.mask("from a@b.example to c@d.example") == "from {EMAIL_1} to {EMAIL_2}"
    assert masker.mask("again c@d.example") == "again {EMAIL_2}"


def test_addresses_and_phone_numbers_come_back_and_secrets_do_not() -> None:
    masker = Masker()
    masked = masker.mask("a@b.example, +44 20 7946 0018, password is Sunflower-19")
    assert masked == "{EMAIL_1}, {PHONE_1}, password is {PASSWORD_1}"
    assert masker.restore(masked) == "a@b.example, +44 20 7946 0018, password is (password removed)"


def test_a_placeholder_that_was_never_given_does_not_come_back() -> None:
    masker = Masker()
    masker.mask("a@b.example")
    assert masker.restore("{EMAIL_7} {TOKEN_1}") == "(email removed) (token removed)"


def test_text_that_looks_like_a_placeholder_is_not_taken_for_one() -> None:
    masker = Masker()
    masked = masker.mask("send {EMAIL_1} to a@b.example")
    assert masker.restore(masked) == "send (EMAIL_1) to a@b.example"


def test_overlapping_findings_become_one_of_the_more_secret_kind() -> None:
    assert Masker().mask("password: a@b.example") == "password: {PASSWORD_1}"


def test_machines_and_ticket_numbers_stay() -> None:
    text = "qml-sql01 (10.20.20.20), 2001:db8::17, ticket 43136, KB-1017, error 1205, 0x0000011b"
    assert Masker().mask(text) == text


def test_on_the_platform_only_secrets_go() -> None:
    text = "password is Sunflower-19, write a@b.example"
    assert secrets_removed(text) == "password is (password removed), write a@b.example"


def test_what_was_masked_is_not_masked_again() -> None:
    once = secrets_removed("Password: Sunflower-19, user anna")
    assert secrets_removed(once) == once == "Password: (password removed), user anna"


def test_letters_of_two_characters_are_read_as_one() -> None:
    assert Masker().mask("Passwo\u0308rter: sommer") == "Passwörter: {PASSWORD_1}"


HOSTILE = [
    *(
        "password ",
        "password:",
        "a@",
        "1 ",
        "eyJ" + "a" * 50,
        "+4 ",
        "login a ",
        "AB12 ",
        "://a:",
        "call me ",
        "pass\n",
    ),
    *(
        "password is" + " " * 3000 + "\n",
        "token" + " " * 3000,
        "tel" + " " * 3000,
        "password for a b c d e ",
        "password (",
    ),
    *(
        "<password ",
        "mysql -",
        "curl -u ",
        "net use /user:",
        "密码",
        "-password ",
        "1000.",
        "123456-",
        "4111.",
        "06 12 ",
    ),
    *("PuTTY-User-Key-File-3: x\n", "PuTTY-User-Key-File-3: x\nAAAAAAAA\n", "-----BEGIN PRIVATE KEY-----\n", "is my "),
    *(" ", "\n", "x", "{", '"', "!"),
]


def test_long_hostile_text_takes_no_long_time() -> None:
    """A pattern that isn't linear takes minutes for one of these."""
    for piece in HOSTILE:
        started = time.monotonic()
        Masker().mask((piece * 70_000)[:65_536])
        assert time.monotonic() - started < 5, piece[:40]
