"""What the edge remembers of the webhooks that it refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.fakes import FakeRefusals
from ingest.refusals import MOST_ALIKE, MOST_OF_ALL
from sinks.postgres.webhook_refusals import MOST_OF_A_TENANT, Refusal

TENANT = "msp-acme-corp"
WRONG = b"A wrong key, of forty three characters in all"
Edge = Any


async def kept(edge: Edge, store: FakeRefusals | None = None) -> list[Refusal]:
    store = store or FakeRefusals()
    await edge.refusals.write(store)
    return store.kept.get(TENANT, [])


@pytest.mark.parametrize(
    ("spoilt", "reason", "detail"),
    [
        ({"key": WRONG}, "bad_signature", "Invalid signature"),
        ({"drop": ["webhook-id"]}, "signature_headers", "webhook-id is missing"),
        ({"replace": {"Content-Type": "text/plain"}}, "content_type", "send Content-Type: application/json"),
        ({"add": [("Content-Encoding", "gzip")]}, "content_encoding", "send the body as it is, without Content-Encoding"),
        ({"body": b'{"ticket_id": "1", "subject": 7}'}, "schema", "subject must be text"),
        ({"body": b"no JSON"}, "not_json", "the body is not JSON"),
    ],
)  # fmt: skip
async def test_a_refusal_is_kept_with_its_reason(edge: Edge, spoilt: dict[str, Any], reason: str, detail: str) -> None:
    answer = await edge.webhook(**spoilt)
    (found,) = await kept(edge)
    assert (found.status, found.reason, found.detail) == (answer.status, reason, detail)
    assert (found.address, found.times, found.seconds_off) == ("127.0.0.1", 1, None)
    assert abs((found.at - datetime.now(UTC)).total_seconds()) < 60


async def test_a_stale_one_says_how_far_the_clock_is_off(edge: Edge) -> None:
    await edge.webhook(off=-412)
    (found,) = await kept(edge)
    assert found.reason == "stale" and found.seconds_off in (-412, -413)


@pytest.mark.parametrize("timestamp", ["9" * 19, "-" + "9" * 18, "12.5", "\u0663"])
async def test_a_hostile_timestamp_is_kept_within_bounds(edge: Edge, timestamp: str) -> None:
    await edge.webhook(replace={"webhook-timestamp": timestamp})
    (found,) = await kept(edge)
    assert found.seconds_off is None or abs(found.seconds_off) < 2**31


@pytest.mark.parametrize(
    ("body", "ticket_id"),
    [
        (b'{"ticket_id": "4711", "subject": "s"}', "4711"),
        (b'{"request": {"requester": {"id": "9"}, "id": 4711, "subject": "s"}}', "4711"),
        (b'{"request": {"subject": "s"}, "ticket_id": "4711"}', None),
        (b'{"ticket_id": "<script>"}', None),
        (b'{"ticket_id": ".."}', None),
        (b'{"ticket_id": true}', None),
        (b"[1]", None),
        (b'{"request": [{"id": 1}]}', None),
        (b'{"ticket_id": "1", "subject": "' + b"x" * 70_000 + b'"}', None),
    ],
)
async def test_the_claimed_ticket_is_kept_where_it_can_be_one(edge: Edge, body: bytes, ticket_id: str | None) -> None:
    await edge.webhook(body, key=WRONG)
    assert [found.ticket_id for found in await kept(edge)] == [ticket_id]


async def test_a_disabled_tenants_and_a_conflicting_one_are_kept_too(edge: Edge) -> None:
    await edge.webhook()
    await edge.webhook(b'{"ticket_id":"2","subject":"s"}')
    edge.tenants.add(replace(edge.tenants.get(TENANT), enabled=False))
    await edge.webhook(webhook_id="msg_2")
    assert {(row.reason, row.ticket_id) for row in await kept(edge)} == {
        ("conflicting_duplicate", "2"), ("tenant_disabled", "1"),
    }  # fmt: skip


async def test_what_is_taken_of_an_unknown_tenant_or_our_own_trouble_is_not_kept(edge: Edge) -> None:
    await edge.webhook()
    await edge.webhook(tenant="nobody")
    edge.publisher.go_away()
    assert (await edge.webhook(webhook_id="msg_2")).status == 503
    store = FakeRefusals()
    assert await kept(edge, store) == [] and store.writes == 0


async def test_a_flood_is_a_few_rows_that_say_how_many_there_were(edge: Edge) -> None:
    for _ in range(MOST_ALIKE + 15):
        await edge.webhook(key=WRONG)
    await edge.webhook(off=-1000)
    found = await kept(edge)
    assert sorted(row.times for row in found if row.reason == "bad_signature") == [1] * (MOST_ALIKE - 1) + [16]
    assert [row.times for row in found if row.reason == "stale"] == [1], "the desk's own is not lost in it"


async def test_all_of_it_has_a_bound(edge: Edge) -> None:
    """Sources are many: an attacker has as many addresses as there are."""
    addresses = iter(f"10.{number // 250}.0.{number % 250}" for number in range(10_000))
    edge.refusals._address_of = lambda _: next(addresses)
    for number in range(15):
        edge.tenants.add(replace(edge.tenants.get(TENANT), tenant_id=f"msp-{number}"))
        for _ in range(MOST_OF_A_TENANT + 3):
            await edge.webhook(tenant=f"msp-{number}", key=WRONG)
    store = FakeRefusals()
    await edge.refusals.write(store)
    assert {len(rows) for rows in store.kept.values()} == {MOST_OF_A_TENANT}
    assert sum(len(rows) for rows in store.kept.values()) == MOST_OF_ALL


async def test_while_the_database_is_away_refusals_wait_and_the_edge_answers(edge: Edge) -> None:
    store = FakeRefusals()
    store.away = True
    await edge.webhook(off=-1000)
    assert await kept(edge, store) == []
    await edge.webhook(off=1000)
    assert await kept(edge, store) == []
    store.away = False
    assert [row.seconds_off for row in await kept(edge, store)] == [
        pytest.approx(1000, abs=2),
        pytest.approx(-1000, abs=2),
    ]
    assert len(await kept(edge, store)) == 2 and store.writes == 1, "each is written once"
