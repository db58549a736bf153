"""What technicians say of a note: through the API with a token, through the link in the note, and what it adds up to."""

from __future__ import annotations

import html
from typing import Any

import aiohttp

from schemas.events import FeedbackAggregated
from schemas.topics import Topic
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import FEEDBACK_LINK, Tenant


async def aggregate(tenant: Tenant, number: int) -> FeedbackAggregated:
    """The so-and-so-many-th aggregate of a tenant."""

    def look() -> list[Any]:
        return tenant.chain.tap.records(Topic.FEEDBACK_AGGREGATED, tenant.partition)[number - 1 :]

    record = (await until(look, f"aggregate {number} of {tenant.tenant_id}"))[0]
    assert record.key.decode() == tenant.tenant_id
    event: FeedbackAggregated = record.event
    return event


async def test_feedback_with_a_token_and_through_the_link_is_aggregated(tenant: Tenant) -> None:
    chain = tenant.chain
    ticket_id = await tenant.told()
    delivered = await tenant.delivered(ticket_id)
    (note,) = await tenant.notes(ticket_id)
    token = (await tenant.command("token", "create"))["token"]
    headers = {"Authorization": f"Bearer {token}"}

    said = {"ticket_id": ticket_id, "enhancement_id": delivered.enhancement_id, "rating": 4, "minutes_saved": 15}
    async with chain.session.post(f"{chain.ingest}/api/v1/feedback", json=said, headers=headers) as answer:
        assert answer.status == 202, await answer.text()
        event_id = (await answer.json())["event_id"]
    first = await aggregate(tenant, 1)
    assert (first.input_id, first.ticket_id) == (event_id, ticket_id)
    assert (first.total, first.ratings, first.average_rating, first.minutes_saved_total) == (1, 1, 4.0, 15)

    link = FEEDBACK_LINK.search(note.description)
    assert link, "the note has a feedback link"
    url = html.unescape(link["url"])
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(url) as page:
            assert page.status == 200
            assert "No network" not in await page.text(), "no ticket content without a login"
        async with browser.post(url, data={"thumb": "down", "comment": "Wrong network."}) as answer:
            assert answer.status == 200
        second = await aggregate(tenant, 2)
        assert (second.total, second.ratings, second.thumbs_down) == (2, 1, 1)
        async with browser.post(url, data={"thumb": "up"}) as answer:
            assert answer.status == 200
    third = await aggregate(tenant, 3)
    assert (third.total, third.thumbs_up, third.thumbs_down) == (2, 1, 0), "the last answer of a browser counts"

    async with chain.session.get(f"{chain.ingest}/api/v1/feedback", headers=headers) as answer:
        assert answer.status == 200
        listed = (await answer.json())["feedback"]
    assert {(one["ticket_id"], one["feedback_type"]) for one in listed} == {
        (ticket_id, "thumbs_up"),
        (ticket_id, "rating"),
    }
    async with chain.session.get(f"{chain.ingest}/api/v1/feedback/stats", headers=headers) as answer:
        assert answer.status == 200
        stats = await answer.json()
    assert (stats["thumbs_up"], stats["thumbs_down"], stats["average_rating"]) == (1, 0, 4.0)


async def test_following_the_link_changes_nothing(tenant: Tenant) -> None:
    """Mail scanners follow links."""
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    (note,) = await tenant.notes(ticket_id)
    link = FEEDBACK_LINK.search(note.description)
    assert link

    for _ in range(3):
        async with tenant.chain.session.get(html.unescape(link["url"])) as page:
            assert page.status == 200
            assert "Set-Cookie" not in page.headers

    token = (await tenant.command("token", "create", "--scope", "feedback:read"))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with tenant.chain.session.get(f"{tenant.chain.ingest}/api/v1/feedback", headers=headers) as answer:
        assert await answer.json() == {"feedback": [], "next_cursor": None}
    assert tenant.chain.tap.records(Topic.FEEDBACK_SUBMITTED, tenant.partition) == []


async def test_a_token_is_good_for_its_own_tenant_and_scope_only(tenant: Tenant, other_tenant: Tenant) -> None:
    chain = tenant.chain
    token = (await tenant.command("token", "create", "--scope", "feedback:read"))["token"]
    headers, url = {"Authorization": f"Bearer {token}"}, f"{chain.ingest}/api/v1/feedback"

    async with chain.session.get(url, params={"tenant_id": other_tenant.tenant_id}, headers=headers) as answer:
        assert answer.status == 403
    async with chain.session.post(url, json={"ticket_id": "1", "rating": 5}, headers=headers) as answer:
        assert answer.status == 403
    async with chain.session.get(url, headers={"Authorization": "Bearer tst_nobodys"}) as answer:
        assert answer.status == 401
