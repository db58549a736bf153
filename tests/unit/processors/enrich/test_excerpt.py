"""Text is cut to bytes, never inside a character, at a word where that costs little."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from processors.enrich.excerpt import cut


def test_short_text_stays_as_it_is() -> None:
    assert cut("Größe", 7) == "Größe"


def test_it_is_cut_behind_the_last_whole_word() -> None:
    assert cut("restart the print spooler", 20) == "restart the print…"


def test_a_word_that_just_fits_stays() -> None:
    assert cut("restart the print spooler", 14) == "restart the…"
    assert cut("restart the print", 14) == "restart the…"


def test_one_long_word_is_cut_inside() -> None:
    assert cut("a" * 100, 13) == "a" * 10 + "…"
    assert cut("see " + "x" * 100, 13) == "see xxxxxx…"


@given(st.text(), st.integers(0, 60))
def test_it_is_a_beginning_of_the_text_within_the_bytes(text: str, size: int) -> None:
    shorter = cut(text, size)
    assert len(shorter.encode()) <= size
    assert text.startswith(shorter.removesuffix("…").rstrip()) or shorter == text


@given(st.text(min_size=1), st.integers(3, 60))
def test_what_was_cut_says_so(text: str, size: int) -> None:
    assert cut(text, size) == text or cut(text, size).endswith("…")
