"""Tokens of feedback links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.runtime.keys.feedback_links import FeedbackLink, make_link_token, read_link_token
from infra.runtime.keys.rings import KeyRing, new_ring_key

OLD = new_ring_key("old")
RING = KeyRing.parse(OLD, variable="TICKETSTREAM_LINK_KEYS")
NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
LINK = FeedbackLink.to(tenant_id="msp-acme-corp", enhancement_id=str(UUID(int=7)), ticket_id="52101", now=NOW)


def test_a_token_gives_back_its_link() -> None:
    token = make_link_token(RING, LINK)
    assert read_link_token(RING, token, NOW) == LINK
    assert len(token) < 120
    assert all(c.isalnum() or c in "-_" for c in token)


def test_it_is_valid_for_30_days() -> None:
    token = make_link_token(RING, LINK)
    assert read_link_token(RING, token, NOW + timedelta(days=30, seconds=-1)) == LINK
    assert read_link_token(RING, token, NOW + timedelta(days=30)) is None


def test_a_rotated_ring_still_reads_it_and_another_ring_does_not() -> None:
    token = make_link_token(RING, LINK)
    rotated = KeyRing.parse(f"{new_ring_key('new')},{OLD}", variable="x")
    assert read_link_token(rotated, token, NOW) == LINK
    assert read_link_token(KeyRing.parse(new_ring_key("old"), variable="x"), token, NOW) is None


def test_no_changed_character_goes_unnoticed() -> None:
    token = make_link_token(RING, LINK)
    for position, character in enumerate(token):
        for other in "Ab9_":
            if other != character:
                assert read_link_token(RING, token[:position] + other + token[position + 1 :], NOW) is None


@given(st.text(max_size=500))
def test_no_text_raises(text: str) -> None:
    assert read_link_token(RING, text, NOW) is None


@pytest.mark.parametrize(
    "token", ["", "A", "=" * 8, make_link_token(RING, LINK) + "A", make_link_token(RING, LINK)[:-1], "é"]
)
def test_torn_tokens_are_none(token: str) -> None:
    assert read_link_token(RING, token, NOW) is None


def test_an_enhancement_id_that_is_no_uuid_is_refused() -> None:
    with pytest.raises(ValueError, match="UUID"):
        make_link_token(RING, FeedbackLink("t", "not-a-uuid", "1", NOW))
