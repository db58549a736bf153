"""The feedback API and the page behind a feedback link."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from infra.runtime.keys.feedback_links import FeedbackLink, make_link_token
from ingest.ports import TenantAccess
from schemas.events import FeedbackSubmitted, FeedbackType
from schemas.topics import Topic

Edge = Any
TENANT = "msp-acme-corp"
BOTH = ("Authorization", "Bearer tst_writer_and_reader")
READER = ("Authorization", "Bearer tst_reader_only")
GOOD = {"ticket_id": "52101", "feedback_type": "thumbs_up", "rating": 5, "comment": "spot on", "minutes_saved": 20}


async def post(edge: Edge, body: Any, *headers: tuple[str, str], auth: tuple[str, str] | None = BOTH) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = [("Content-Type", "application/json"), *headers, *([auth] if auth else [])]
    return await edge.request("POST", "/api/v1/feedback", data, given)


async def get(edge: Edge, path: str = "/api/v1/feedback", auth: tuple[str, str] | None = READER) -> Any:
    return await edge.request("GET", path, b"", [auth] if auth else [])


async def test_an_answer_is_queued_on_its_tenants_partition(edge: Edge) -> None:
    answer = await post(edge, GOOD)
    assert answer.status == 202
    (published,) = edge.publisher.published
    event: FeedbackSubmitted = published.event
    assert answer.json() == {"event_id": event.event_id, "status": "queued"}
    assert (published.topic, published.partition) == (Topic.FEEDBACK_SUBMITTED, 7)
    assert (event.tenant_id, event.ticket_id, event.feedback_type, event.rating) == (
        TENANT,
        "52101",
        FeedbackType.THUMBS_UP,
        5,
    )
    assert (event.comment, event.minutes_saved, event.submitted_by) == ("spot on", 20, None)


async def test_an_idempotency_key_makes_repetitions_one_answer(edge: Edge) -> None:
    ids = [(await post(edge, GOOD, ("Idempotency-Key", "k1"))).json()["event_id"] for _ in range(2)]
    assert len(set(ids)) == 1
    assert (await post(edge, GOOD, ("Idempotency-Key", "k2"))).json()["event_id"] not in ids
    assert (await post(edge, GOOD, ("Idempotency-Key", "a b"))).status == 400


async def test_a_rating_alone_is_of_type_rating(edge: Edge) -> None:
    assert (await post(edge, {"ticket_id": "1", "rating": 3})).status == 202
    assert edge.publisher.published[0].event.feedback_type is FeedbackType.RATING


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ticket_id": "a b"}, "ticket_id"),
        ({"ticket_id": "1\n"}, "ticket_id"),
        ({"ticket_id": None}, "ticket_id"),
        ({"feedback_type": "meh"}, "feedback_type"),
        ({"feedback_type": "rating", "rating": None}, "$"),
        ({"feedback_type": None, "rating": None}, "feedback_type"),
        ({"rating": 6}, "rating"),
        ({"rating": 0}, "rating"),
        ({"rating": 2.5}, "rating"),
        ({"rating": True}, "rating"),
        ({"rating": "5"}, "rating"),
        ({"minutes_saved": -1}, "minutes_saved"),
        ({"minutes_saved": 99999}, "minutes_saved"),
        ({"comment": "x" * 4001}, "comment"),
        ({"comment": 5}, "comment"),
        ({"enhancement_id": "x"}, "enhancement_id"),
    ],
)
async def test_a_wrong_field_is_422_with_its_path(edge: Edge, change: dict[str, Any], field: str) -> None:
    answer = await post(edge, {**GOOD, **change})
    assert (answer.status, answer.json()["field"]) == (422, field)


async def test_who_may_not_write_is_told_so(edge: Edge) -> None:
    assert (await post(edge, GOOD, auth=None)).status == 401
    assert (await post(edge, GOOD, auth=("Authorization", "Bearer tst_unknown_token"))).status == 401
    assert (await post(edge, GOOD, auth=("Authorization", "Basic dTpw"))).status == 401
    assert (await post(edge, GOOD, BOTH, auth=BOTH)).status in (400, 401)
    assert (await post(edge, GOOD, auth=READER)).status == 403
    assert (await post(edge, {**GOOD, "tenant_id": "other"})).status == 403
    assert (await post(edge, {**GOOD, "tenant_id": TENANT})).status == 202
    assert len(edge.publisher.published) == 1


async def test_a_token_is_looked_up_once_in_a_while(edge: Edge) -> None:
    for _ in range(5):
        await post(edge, GOOD)
    assert edge.tokens.checks == 1


async def test_without_the_tokens_store_nobody_gets_in(edge: Edge) -> None:
    edge.tokens.away = True
    answer = await post(edge, GOOD)
    assert answer.status == 503
    assert "retry-after" in answer.headers


async def test_other_refusals(edge: Edge) -> None:
    assert (await post(edge, b"{")).status == 400
    assert (await post(edge, b"\xff")).status == 400
    assert (await post(edge, b"x" * (64 * 1024 + 1))).status == 413
    assert (await edge.request("POST", "/api/v1/feedback", b"{}", [BOTH])).status == 415
    edge.publisher.go_away()
    assert (await post(edge, GOOD)).status == 503
    edge.tenants.add(TenantAccess(TENANT, 7, False, 1, 1, ()))
    assert (await post(edge, GOOD)).status == 403


async def test_a_tenant_reads_its_own_answers(edge: Edge) -> None:
    row = {
        "ticket_id": "1",
        "rating": 4,
        "feedback_type": "rating",
        "comment": None,
        "submitted_at": "2026-01-31T09:00:00Z",
    }
    edge.feedback.rows = {TENANT: [row], "other": [{**row, "ticket_id": "secret"}]}
    answer = await get(
        edge, f"/api/v1/feedback?tenant_id={TENANT}&ticket_id=1&start_date=2026-01-01&end_date=2026-01-31"
    )
    assert (answer.status, answer.json()) == (200, {"feedback": [row], "next_cursor": None})
    tenant, query = edge.feedback.queries[-1]
    assert (tenant, query.ticket_id) == (TENANT, "1")
    assert query.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert query.end == datetime(2026, 2, 1, tzinfo=UTC)
    assert (await get(edge, "/api/v1/feedback?tenant_id=other")).status == 403
    stats = await get(edge, "/api/v1/feedback/stats")
    assert stats.json() == {"total": 1, "average_rating": 4, "thumbs_up": 0, "thumbs_down": 0}


@pytest.mark.parametrize(
    "query", ["start_date=yesterday", "end_date=2026-13-01", "ticket_id=a%20b", "limit=0", "limit=x", "limit=501",
              "start_date=2026-02-01&end_date=2026-01-01", "end_date=9999-12-31"]
)  # fmt: skip
async def test_a_wrong_filter_is_422(edge: Edge, query: str) -> None:
    assert (await get(edge, f"/api/v1/feedback?{query}")).status == 422


async def test_reading_fails_closed(edge: Edge) -> None:
    edge.feedback.away = True
    assert (await get(edge)).status == 503
    assert (await get(edge, auth=None)).status == 401


# -- the page behind a link


def link(edge: Edge, *, tenant: str = TENANT, number: int = 1, age: timedelta = timedelta(0)) -> str:
    now = datetime.now(UTC) - age
    about = FeedbackLink.to(tenant_id=tenant, enhancement_id=str(UUID(int=number)), ticket_id="52101", now=now)
    return "/f/" + make_link_token(edge.link_ring, about)


async def answer_form(edge: Edge, path: str, fields: dict[str, str], cookie: str | None = None) -> Any:
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    if cookie:
        headers.append(("Cookie", cookie))
    return await edge.request("POST", path, urlencode(fields).encode(), headers)


async def test_the_page_asks_and_changes_nothing(edge: Edge) -> None:
    page = await edge.request("GET", link(edge))
    assert page.status == 200
    assert edge.publisher.published == []
    assert "set-cookie" not in page.headers
    text = page.body.decode()
    assert "52101" not in text
    assert TENANT not in text
    assert "<script" not in text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    for control in re.findall(r'<(?:input type="(?:text|number)"|textarea) id="(\w+)"', text):
        assert f'for="{control}"' in text


async def test_the_pages_style_is_the_one_its_policy_allows(edge: Edge) -> None:
    from base64 import b64encode
    from hashlib import sha256

    page = await edge.request("GET", link(edge))
    style = re.search(rb"<style>(.*?)</style>", page.body, re.DOTALL)
    assert style
    assert f"'sha256-{b64encode(sha256(style[1]).digest()).decode()}'" in page.headers["content-security-policy"]


async def test_an_answer_through_the_page(edge: Edge) -> None:
    fields = {"thumb": "down", "rating": "2", "minutes_saved": "15", "comment": "wrong host", "name": " Night Desk "}
    page = await answer_form(edge, link(edge), fields)
    assert page.status == 200
    assert b"Thank you" in page.body
    event: FeedbackSubmitted = edge.publisher.published[0].event
    assert (event.feedback_type, event.rating, event.minutes_saved) == (FeedbackType.THUMBS_DOWN, 2, 15)
    assert (event.comment, event.submitted_by) == ("wrong host", "Night Desk")
    assert (event.tenant_id, event.ticket_id, event.enhancement_id) == (TENANT, "52101", str(UUID(int=1)))
    cookie = page.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/f/", "Secure"):
        assert attribute in cookie


async def test_a_browser_is_known_again_on_one_note_and_not_across_notes(edge: Edge) -> None:
    first = await answer_form(edge, link(edge), {"thumb": "up"})
    cookie = first.headers["set-cookie"].partition(";")[0]
    await answer_form(edge, link(edge), {"thumb": "down"}, cookie)
    await answer_form(edge, link(edge, number=2), {"thumb": "up"}, cookie)
    await answer_form(edge, link(edge), {"thumb": "up"})
    marks = [published.event.respondent for published in edge.publisher.published]
    assert marks[0] == marks[1]
    assert len(set(marks)) == 3
    assert {len(mark) for mark in marks} == {32}
    assert cookie.partition("=")[2] not in marks
    assert len({published.event.event_id for published in edge.publisher.published}) == 4


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rating": "6"},
        {"rating": "x"},
        {"thumb": "sideways"},
        {"thumb": "up", "minutes_saved": "-1"},
        {"thumb": "up", "comment": "x" * 4001},
    ],
)
async def test_a_wrong_answer_shows_the_form_again(edge: Edge, fields: dict[str, str]) -> None:
    page = await answer_form(edge, link(edge), fields)
    assert page.status == 422
    assert b'role="alert"' in page.body
    assert edge.publisher.published == []


async def test_expired_forged_and_orphaned_links_are_404_pages(edge: Edge) -> None:
    good = link(edge)
    paths = [
        link(edge, age=timedelta(days=30, seconds=1)),
        f"{good[:-10]}{'A' if good[-10] != 'A' else 'B'}{good[-9:]}",  # the last character has bits that say nothing
        "/f/nothing",
        "/f/%00%ff",
        "/f/" + "A" * 5000,
    ]
    for path in paths:
        assert (await edge.request("GET", path)).status == 404
        assert (await answer_form(edge, path, {"thumb": "up"})).status == 404
    assert (await answer_form(edge, link(edge, tenant="gone"), {"thumb": "up"})).status == 404
    assert edge.publisher.published == []


async def test_a_note_takes_20_answers(edge: Edge) -> None:
    statuses = [(await answer_form(edge, link(edge), {"thumb": "up"})).status for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert (await answer_form(edge, link(edge, number=2), {"thumb": "up"})).status == 200


async def test_the_page_too_knows_its_bounds(edge: Edge) -> None:
    form = ("Content-Type", "application/x-www-form-urlencoded")
    assert (await edge.request("POST", link(edge), b"comment=" + b"x" * 40_000, [form])).status == 413
    assert (await edge.request("POST", link(edge), b"{}", [("Content-Type", "application/json")])).status == 415
    assert (await edge.request("POST", link(edge), b"a=b&" * 100, [form])).status == 400
    assert (await edge.request("POST", link(edge), b"thumb=up&comment=%ff%00%ED%A0%80", [form])).status == 200
    edge.publisher.go_away()
    away = await answer_form(edge, link(edge), {"thumb": "up"})
    assert (away.status, "retry-after" in away.headers) == (503, True)


async def test_answers_that_come_together_are_no_more_than_those_that_come_in_turn(edge: Edge) -> None:
    pages = await asyncio.gather(*(answer_form(edge, link(edge, number=77), {"thumb": "up"}) for _ in range(40)))
    assert sorted(page.status for page in pages) == [200] * 20 + [429] * 20
    assert len(edge.publisher.published) == 20


async def test_an_answer_that_kafka_did_not_take_is_not_counted(edge: Edge) -> None:
    edge.publisher.go_away()
    pages = [await answer_form(edge, link(edge, number=78), {"thumb": "up"}) for _ in range(21)]
    assert {page.status for page in pages} == {503}
    edge.publisher.refuse = None
    assert (await answer_form(edge, link(edge, number=78), {"thumb": "up"})).status == 200


async def test_a_database_that_says_nothing_is_503_in_time(edge: Edge) -> None:
    edge.tokens.silent = True
    answer = await post(edge, GOOD)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_a_comment_that_nobody_can_store_is_mended(edge: Edge) -> None:
    assert (await post(edge, b'{"ticket_id":"1","rating":5,"comment":"a\\ud800b"}')).status == 202
    assert edge.publisher.published[0].event.comment == "a\ufffdb"


async def test_dots_are_no_ticket(edge: Edge) -> None:
    assert (await post(edge, {"ticket_id": "..", "rating": 5})).status == 422
