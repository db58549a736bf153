"""Feedback a page at a time, and cursors that somebody made up."""

from __future__ import annotations

import string
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.answers import Refused
from ingest.feedback_cursor import cursor_of, position_of
from ingest.ports import FeedbackQuery, Position

Edge = Any
TENANT = "msp-acme-corp"
AUTH = [("Authorization", "Bearer tst_reader_only")]
FEEDBACK = "/api/v1/feedback"


@pytest.fixture
def filled(edge: Edge) -> Edge:
    """25 answers, five at each of five times."""
    edge.feedback.rows = {
        TENANT: [
            {"ticket_id": str(n), "rating": 4, "feedback_type": "rating", "comment": None,
             "submitted_at": f"2026-01-31T09:00:0{n // 5}Z"}
            for n in range(25)
        ]
    }  # fmt: skip
    return edge


async def get(edge: Edge, path: str) -> Any:
    return await edge.request("GET", path, b"", AUTH)


async def test_pages_together_are_the_whole_list_once(filled: Edge) -> None:
    whole = (await get(filled, FEEDBACK)).json()
    assert len(whole["feedback"]) == 25 and whole["next_cursor"] is None
    path, found = f"{FEEDBACK}?limit=7", []
    while path:
        answer = await get(filled, path)
        assert answer.status == 200
        found += answer.json()["feedback"]
        link, cursor = answer.headers.get("link"), answer.json()["next_cursor"]
        assert bool(link) == bool(cursor)
        path = link.removeprefix("<").partition(">")[0] if link else ""
        assert not link or (link.endswith('; rel="next"') and f"cursor={cursor}" in link)
    assert found == whole["feedback"]


async def test_a_last_page_that_is_full_says_that_it_is_the_last(filled: Edge) -> None:
    assert (await get(filled, f"{FEEDBACK}?limit=25")).json()["next_cursor"] is None


async def test_a_cursor_belongs_to_its_filters(filled: Edge) -> None:
    cursor = (await get(filled, f"{FEEDBACK}?limit=3")).json()["next_cursor"]
    assert (await get(filled, f"{FEEDBACK}?limit=5&cursor={cursor}")).status == 200
    for other in ("ticket_id=1", "start_date=2026-01-01", "end_date=2027-01-01"):
        answer = await get(filled, f"{FEEDBACK}?limit=3&{other}&cursor={cursor}")
        assert (answer.status, answer.json()["field"]) == (422, "cursor")


HOSTILE = [
    "x",
    "A" * 43,
    "_" * 43,
    "A" * 44,
    "A" * 5000,
    "'; DROP TABLE enhancement_feedback; --",
    "../../etc/passwd",
    "\x00" * 43,
    "٣" * 43,
    urlsafe_b64encode(b"\x7f" * 32).decode().rstrip("="),
]


@pytest.mark.parametrize("cursor", HOSTILE)
async def test_a_cursor_that_nobody_gave_is_422(filled: Edge, cursor: str) -> None:
    answer = await get(filled, f"{FEEDBACK}?cursor={quote(cursor)}")
    assert (answer.status, answer.json()["field"]) == (422, "cursor")
    assert filled.feedback.queries == []


@pytest.mark.parametrize("name", ["ticket_id", "start_date", "end_date", "limit", "cursor"])
@pytest.mark.parametrize("path", [FEEDBACK, f"{FEEDBACK}/stats"])
async def test_a_filter_that_is_there_twice_is_422(filled: Edge, path: str, name: str) -> None:
    if name == "cursor" and path != FEEDBACK:
        return  # counts have no pages
    answer = await get(filled, f"{path}?{name}=1&{name}=2")
    assert (answer.status, answer.json()["field"]) == (422, name)


times = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(times, st.uuids())
def test_a_cursor_says_where_it_was_to_the_microsecond(at: datetime, feedback_id: UUID) -> None:
    query, place = FeedbackQuery("52101", start=at - timedelta(days=1)), Position(at, feedback_id)
    cursor = cursor_of(place, TENANT, query)
    assert position_of(cursor, TENANT, query) == place
    with pytest.raises(Refused):
        position_of(cursor, "msp-other", query)


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=43, max_size=43))
def test_a_made_up_cursor_is_refused_and_nothing_else(cursor: str) -> None:
    with pytest.raises(Refused) as refused:
        position_of(cursor, TENANT, FeedbackQuery())
    assert refused.value.status == 422
