"""The relevant content's hash: the same words are the same content, other words never are."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.content import content_hash, normalised
from schemas.events import Requester, Ticket

WORDS = ("VPN down", "Tunnel to Pier 5 is gone", "anna@example.com", "Network")
HASH = "854c08652bf06297d92efb70aaf047285ac7c1c9c7775b7c1fc3525bb7fa7795"


def test_fixed_vector() -> None:
    assert content_hash(*WORDS) == HASH


@pytest.mark.parametrize(
    "description",
    [
        "  Tunnel to Pier 5 is gone\n",
        "Tunnel\r\nto\tPier\n\n\n5  is gone",
        "Tunnel to\N{NO-BREAK SPACE}Pier 5 is gone",
        "Tunnel to Pier \N{FULLWIDTH DIGIT FIVE} is gone",
        "Ｔｕｎｎｅｌ to Pier 5 is gone",
    ],
)
def test_reformatting_keeps_the_hash(description: str) -> None:
    assert content_hash(WORDS[0], description, *WORDS[2:]) == HASH


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert normalised("Büro") == normalised("Bu\N{COMBINING DIAERESIS}ro")


@pytest.mark.parametrize("position", range(4))
def test_every_part_counts(position: int) -> None:
    parts = list(WORDS)
    parts[position] += "!"
    assert content_hash(*parts) != HASH


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b", "", ""), ("ab", "", "", "")),
        (("a", "b", "c", "d"), ("a", "bc", "", "d")),
        (("a", "", "b", ""), ("a", "b", "", "")),
        (("a b", "", "", ""), ("a", "b", "", "")),
    ],
)
def test_parts_can_not_run_together(one: tuple[str, str, str, str], other: tuple[str, str, str, str]) -> None:
    assert content_hash(*one) != content_hash(*other)


def test_case_is_content() -> None:
    assert content_hash("vpn down", *WORDS[1:]) != HASH


def test_a_ticket_carries_the_hash_of_what_an_enhancement_answers_and_of_nothing_else() -> None:
    requester = Requester(id="7", name="Anna", email="Anna@Example.com ")
    ticket = Ticket("10042", *WORDS[:2], requester=requester, category="Network", priority="High", status="Open")
    assert ticket.content_hash == HASH
    assert Ticket("9", *WORDS[:2], requester=requester, category="Network", resolution="Restarted").content_hash == HASH
    assert Ticket("10042", *WORDS[:2], content_hash="as written").content_hash == "as written"


@pytest.mark.parametrize("marks", ["\N{COMBINING ACUTE ACCENT}\N{COMBINING GRAVE ACCENT BELOW}", "\u0316\u0301"])
def test_no_row_of_marks_takes_long(marks: str) -> None:
    started = time.perf_counter()
    normalised("a" + marks * 32_000)
    assert time.perf_counter() - started < 2


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_long_texts_are_normalised_as_short_ones_are(text: str) -> None:
    whole = " ".join(unicodedata.normalize("NFKC", f"{text} ").split())
    assert normalised(f"{text} " * 1100) == " ".join([whole] * 1100).strip()
