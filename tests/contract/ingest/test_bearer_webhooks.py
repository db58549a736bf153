"""Bearer mode: a secret from a listed address is enough, and nothing is believed but which ticket changed."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

import pytest

from ingest.bearer_webhook import networks
from ingest.ports import TenantAccess
from schemas import ids
from schemas.events import TicketKind, TicketReceived
from tests.contract.ingest.conftest import KEY, TENANT, Answer, Running

BODY = b'{"ticket_id":"52101","operation":"updated","updated_time":"1790000000000"}'
HERE = networks(["192.0.2.0/24", "127.0.0.1"])


@pytest.fixture
def tenant(edge: Running) -> TenantAccess:
    """In bearer mode, from here."""
    known = edge.tenants.get(TENANT)
    assert known
    return edge.tenants.add(replace(known, bearer_from=HERE))


async def send(
    edge: Running,
    body: bytes = BODY,
    *,
    secret: bytes = KEY,
    tenant: str = TENANT,
    times: int = 1,
    scheme: bytes = b"Bearer ",
) -> Answer:
    headers: list[tuple[str, str | bytes]] = [("Content-Type", "application/json")]
    headers += [("Authorization", scheme + secret)] * times
    return await edge.request("POST", f"/api/v1/webhooks/{tenant}", body, headers)


async def test_it_is_queued_without_content_under_an_id_of_ticket_time_and_body(
    edge: Running, tenant: TenantAccess
) -> None:
    answer = await send(edge)

    assert (answer.status, answer.json()["status"]) == (202, "queued")
    (published,) = edge.publisher.published
    event = published.event
    assert isinstance(event, TicketReceived) and published.partition == tenant.partition
    assert event.event_id == answer.json()["event_id"] == ids.of_bearer_webhook(TENANT, "52101", "1790000000000", BODY)
    assert (event.kind, event.ticket_id, event.ticket.subject) == (TicketKind.ANNOUNCED, "52101", "")


async def test_the_same_update_sent_again_is_a_duplicate_and_the_next_one_is_not(
    edge: Running, tenant: TenantAccess
) -> None:
    first, again, following = await send(edge), await send(edge), await send(edge, BODY.replace(b"1790", b"1791"))

    assert (again.status, again.json()) == (200, {"event_id": first.json()["event_id"], "status": "duplicate"})
    assert following.status == 202


async def test_the_secret_may_be_given_in_the_form_whsec(edge: Running, tenant: TenantAccess) -> None:
    assert (await send(edge, secret=b"whsec_" + b64encode(KEY))).status == 202


async def test_either_secret_is_good_while_they_are_exchanged(edge: Running, tenant: TenantAccess) -> None:
    other = b"another" + KEY[7:]
    edge.tenants.add(replace(tenant, secrets=(other, KEY)))

    assert [(await send(edge, secret=secret)).status for secret in (KEY, other)] == [202, 200]


async def test_all_refusals_are_alike_to_the_byte_and_the_same_as_for_signatures(
    edge: Running, tenant: TenantAccess
) -> None:
    signature = await edge.webhook(key=b"wrong" * 6)
    answers = [await send(edge, secret=b"wrong" * 8), await send(edge, tenant="nobody")]
    edge.tenants.add(replace(tenant, bearer_from=networks(["192.0.2.0/24"])))  # we aren't there
    answers.append(await send(edge))
    edge.tenants.add(replace(tenant, bearer_from=()))  # in signature mode
    answers.append(await send(edge))
    edge.tenants.add(replace(tenant, enabled=False))
    answers.append(await send(edge))

    assert {(answer.status, answer.body) for answer in answers} == {(403, b'{"error":"Invalid signature"}')}
    assert {_without_date(answer) for answer in answers} == {_without_date(signature)}
    assert edge.publisher.published == []


async def test_a_signed_webhook_is_taken_with_its_content_in_bearer_mode_too(
    edge: Running, tenant: TenantAccess
) -> None:
    assert (await edge.webhook()).status == 202
    assert edge.publisher.published[0].event.ticket.subject == "s"


async def test_a_wrong_signature_is_not_saved_by_the_secret_beside_it(edge: Running, tenant: TenantAccess) -> None:
    answer = await edge.webhook(key=b"wrong" * 6, add=[("Authorization", b"Bearer " + KEY)])

    assert answer.status == 403


async def test_who_has_no_secret_and_no_signature_is_told_of_the_signature(edge: Running, tenant: TenantAccess) -> None:
    answers = [await send(edge, scheme=b"Basic "), await send(edge, times=0), await send(edge, times=2)]

    assert [answer.status for answer in answers] == [400, 400, 400]
    assert b"webhook-id is missing" in answers[0].body and b"Authorization is there 2 times" in answers[2].body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": "transfer all to me"}, "subject"),
        ({"request": {"id": "1"}}, "request"),
        ({"ticket_id": "../7"}, "ticket_id"),
        ({"ticket_id": None}, "ticket_id"),
        ({"updated_time": ""}, "updated_time"),
        ({"updated_time": "x" * 65}, "updated_time"),
        ({"updated_time": "1\0"}, "updated_time"),
        ({"updated_time": {"value": "1"}}, "updated_time"),
        ({"operation": ["updated"]}, "operation"),
    ],
)
async def test_nothing_else_is_taken_from_such_a_body(
    edge: Running, tenant: TenantAccess, change: dict[str, object], field: str
) -> None:
    answer = await send(edge, json.dumps(json.loads(BODY) | change).encode())

    assert (answer.status, answer.json()["field"]) == (422, field)
    assert edge.publisher.published == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rb'{"ticket_id":"1","updated_time":"\ud800"}', "updated_time"),
        (rb'{"ticket_id":"1","updated_time":"1","\ud800 of mine":"1"}', "\ufffd of mine"),
        (b'{"ticket_id":"1","updated_time":"' + b"9" * 400_000 + b'"}', "updated_time"),
        (b'{"ticket_id":"1","updated_time":1e3}', "updated_time"),
        (b"[1]", "$"),
    ],
)
async def test_hostile_values_are_refused_and_break_nothing(
    edge: Running, tenant: TenantAccess, body: bytes, field: str
) -> None:
    answer = await send(edge, body)

    assert (answer.status, answer.json()["field"]) == (422, field)


async def test_what_is_missing_is_named(edge: Running, tenant: TenantAccess) -> None:
    answer = await send(edge, b'{"ticket_id":"1"}')

    assert (answer.status, answer.json()) == (422, {"error": "updated_time is missing", "field": "updated_time"})


async def test_while_our_view_may_be_at_fault_nobody_is_turned_away(edge: Running, tenant: TenantAccess) -> None:
    edge.tenants.age_seconds = 31

    assert (await send(edge, secret=b"wrong" * 8)).status == 503
    assert (await send(edge)).status == 202


async def test_the_tenants_rate_holds(edge: Running, tenant: TenantAccess) -> None:
    edge.tenants.add(replace(tenant, rate_per_second=0.1, burst=1))

    assert [(await send(edge, BODY.replace(b"52101", b"%d" % n))).status for n in (1, 2)] == [202, 429]


def _without_date(answer: Answer) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in answer.headers.items() if name.lower() != "date"))
