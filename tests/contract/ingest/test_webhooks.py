"""Every row of the contracts' table of `POST /api/v1/webhooks/{tenant_id}`, and their order."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from typing import Any

import pytest

from ingest.ports import TenantAccess
from schemas import ids
from schemas.events import TicketKind, TicketReceived
from schemas.topics import Topic
from schemas.wire_format import TooLarge

MIB = 1024 * 1024
BODY = b'{"request":{"id":"52101","subject":"VPN falls back","description":"<b>98&nbsp;%</b>"}}'
FORBIDDEN = b'{"error":"Invalid signature"}'
Edge = Any


def padded(size: int) -> bytes:
    body = json.dumps({"ticket_id": "1", "subject": "s", "x": ""}).encode()
    return body[:-2] + b"x" * (size - len(body)) + body[-2:]


def without_date(raw: bytes) -> bytes:
    return b"\r\n".join(line for line in raw.split(b"\r\n") if not line.startswith(b"Date:"))


async def test_a_good_webhook_is_queued_on_its_tenants_partition(edge: Edge) -> None:
    answer = await edge.webhook(BODY)
    event_id = ids.of_webhook("msp-acme-corp", "msg_1")
    assert (answer.status, answer.json()) == (202, {"event_id": event_id, "status": "queued"})
    assert answer.headers["content-type"] == "application/json"
    (published,) = edge.publisher.published
    assert (published.topic, published.partition) == (Topic.TICKETS_RECEIVED, 7)
    event = published.event
    assert isinstance(event, TicketReceived)
    assert (event.event_id, event.kind, event.delivery_id) == (event_id, TicketKind.CREATED, "msg_1")
    assert (event.ticket.ticket_id, event.ticket.description) == ("52101", "98 %")
    assert published.traceparent.startswith("00-")


async def test_the_same_webhook_id_of_two_tenants_is_two_events(edge: Edge) -> None:
    edge.tenants.add(TenantAccess("other", 8, True, 10, 10, (edge.tenants.get("msp-acme-corp").secrets[0],)))
    first, second = await edge.webhook(), await edge.webhook(tenant="other")
    assert (first.status, second.status) == (202, 202)
    assert first.json()["event_id"] != second.json()["event_id"]


# -- 413


async def test_a_body_of_exactly_1_mib_is_taken(edge: Edge) -> None:
    assert (await edge.webhook(padded(MIB))).status == 202


async def test_a_larger_body_is_413_whatever_else_is_wrong_with_it(edge: Edge, http: Any) -> None:
    assert (await edge.webhook(padded(MIB + 1))).status == 413
    assert (
        await edge.webhook(b"x" * (MIB + 1), key=b"wrong" * 8, replace={"Content-Type": "text/plain"})
    ).status == 413
    assert (await edge.webhook(b"x" * (MIB + 1), tenant="nobody", add=[("Content-Encoding", "gzip")])).status == 413
    edge.tenants.loaded = False
    assert (await edge.webhook(b"x" * (MIB + 1))).status == 413


async def test_an_announced_length_is_enough_for_413(edge: Edge, http: Any) -> None:
    head = http.message(
        "POST", f"/api/v1/webhooks/{http.tenant}", headers=[("Content-Length", str(50 * MIB))], length=False
    )
    started = time.monotonic()
    assert (await edge.raw(head)).status == 413
    assert time.monotonic() - started < 2


async def test_chunks_without_end_are_413_once_they_are_too_many(edge: Edge, http: Any) -> None:
    head = http.message(
        "POST",
        f"/api/v1/webhooks/{http.tenant}",
        headers=[("Transfer-Encoding", "chunked"), *http.signed(b"").items()],
        length=False,
    )
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    started = time.monotonic()
    assert (await edge.raw(head, more=chunk)).status == 413
    assert time.monotonic() - started < 8


async def test_a_body_that_never_ends_is_cut_off(impatient: Edge, http: Any) -> None:
    head = http.message(
        "POST",
        f"/api/v1/webhooks/{http.tenant}",
        headers=[("Content-Length", "100"), *http.signed(b"").items()],
        length=False,
    )
    assert (await impatient.raw(head + b"{")).status == 408
    assert impatient.publisher.published == []


async def test_a_chunked_body_is_as_good_as_any(edge: Edge, http: Any) -> None:
    headers = [*http.signed(BODY).items(), ("Transfer-Encoding", "chunked")]
    head = http.message("POST", f"/api/v1/webhooks/{http.tenant}", headers=headers, length=False)
    answer = await edge.raw(head + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n")
    assert answer.status == 202


@pytest.mark.parametrize("tail", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefghij\r\n", b"ffffffffffffffffffff\r\n"])
async def test_broken_chunks_are_400(edge: Edge, http: Any, tail: bytes) -> None:
    headers = [*http.signed(BODY).items(), ("Transfer-Encoding", "chunked")]
    answer = await edge.raw(
        http.message("POST", f"/api/v1/webhooks/{http.tenant}", headers=headers, length=False) + tail
    )
    assert answer.status == 400


# -- 415


@pytest.mark.parametrize(
    "value", ["text/plain", "application/jsonx", "application/x-www-form-urlencoded", "", "json", "*/*"]
)
async def test_another_content_type_is_415_even_with_a_bad_signature(edge: Edge, value: str) -> None:
    assert (await edge.webhook(replace={"Content-Type": value})).status == 415
    assert (await edge.webhook(replace={"Content-Type": value}, key=b"x" * 43, drop=["webhook-id"])).status == 415


@pytest.mark.parametrize("value", ["application/json; charset=utf-8", "Application/JSON", "application/json ;a=b"])
async def test_json_however_it_is_written_is_taken(edge: Edge, value: str) -> None:
    assert (await edge.webhook(replace={"Content-Type": value})).status == 202


async def test_no_content_type_and_two_are_415(edge: Edge) -> None:
    assert (await edge.webhook(drop=["Content-Type"])).status == 415
    assert (await edge.webhook(add=[("Content-Type", "text/plain")])).status in (400, 415)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x", ""])
async def test_any_content_encoding_is_415_and_nothing_is_decoded(edge: Edge, encoding: str) -> None:
    assert (await edge.webhook(gzip.compress(BODY), add=[("Content-Encoding", encoding)])).status == 415
    assert (await edge.webhook(b"not gzip at all", add=[("Content-Encoding", encoding)])).status == 415


# -- 400, headers


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_a_signature_header_missing_doubled_or_oversized_is_400(edge: Edge, name: str) -> None:
    assert (await edge.webhook(drop=[name])).status == 400
    assert (await edge.webhook(add=[(name.upper(), "1")])).status == 400
    assert (await edge.webhook(replace={name: ""})).status == 400
    assert (await edge.webhook(replace={name: "1" * 4000})).status == 400
    assert (await edge.webhook(replace={name: "1" * 20_000})).status == 400


@pytest.mark.parametrize("value", ["now", "1.5", "1e9", "0x10", "1 1", "--1"])
async def test_a_timestamp_that_is_no_integer_is_400(edge: Edge, value: str) -> None:
    assert (await edge.webhook(replace={"webhook-timestamp": value})).status == 400


async def test_bad_headers_are_400_also_for_unknown_tenants_and_before_any_are_loaded(edge: Edge) -> None:
    assert (await edge.webhook(tenant="nobody", drop=["webhook-id"])).status == 400
    edge.tenants.loaded = False
    assert (await edge.webhook(drop=["webhook-id"])).status == 400


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc3\xa9", b"a\tb"])
async def test_header_bytes_beyond_ascii_are_400(edge: Edge, value: bytes) -> None:
    assert (await edge.webhook(drop=["webhook-id"], add=[("webhook-id", value)])).status == 400


# -- 503, our own view


async def test_before_tenants_were_loaded_everything_is_503(edge: Edge) -> None:
    edge.tenants.loaded, edge.tenants.age_seconds = False, float("inf")
    for answer in (await edge.webhook(), await edge.webhook(b"no json"), await edge.webhook(key=b"x" * 43)):
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0


async def test_with_an_old_view_only_what_it_proves_is_decided(edge: Edge) -> None:
    edge.tenants.age_seconds = 31.0
    assert (await edge.webhook()).status == 202
    for answer in (
        await edge.webhook(tenant="nobody"),
        await edge.webhook(key=b"x" * 43),
        await edge.webhook(tenant="nobody", off=900),
    ):
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
    assert (await edge.webhook(webhook_id="m2", off=900)).status == 403
    edge.tenants.age_seconds = 30.0
    assert (await edge.webhook(tenant="nobody")).status == 403


async def test_a_secret_that_we_cannot_read_is_our_fault(edge: Edge, http: Any) -> None:
    edge.tenants.add(TenantAccess("unreadable", 9, True, 10, 10, (), readable=False))
    assert (await edge.webhook(tenant="unreadable")).status == 503


# -- 403


async def test_every_403_is_alike_to_the_byte(edge: Edge, http: Any) -> None:
    edge.tenants.add(TenantAccess("disabled", 9, False, 10, 10, (http.key,)))
    answers = [
        await edge.webhook(tenant="nobody"),
        await edge.webhook(tenant="%2e%2e%2f%00%ff"),
        await edge.webhook(tenant="disabled"),
        await edge.webhook(off=-301),
        await edge.webhook(off=302),
        await edge.webhook(key=b"x" * 43),
        await edge.webhook(replace={"webhook-signature": "nonsense"}),
        await edge.webhook(replace={"webhook-timestamp": "-5"}),
        await edge.webhook(b"not json", key=b"x" * 43),
        await edge.webhook(b"\xff", tenant="nobody"),
        await edge.webhook(b"[" * 100_000, tenant="nobody"),
    ]
    assert {answer.status for answer in answers} == {403}
    assert {answer.body for answer in answers} == {FORBIDDEN}
    assert len({without_date(answer.raw) for answer in answers}) == 1
    assert edge.publisher.published == []


async def test_both_secrets_are_good_while_rotating(edge: Edge, http: Any) -> None:
    edge.tenants.add(TenantAccess(http.tenant, 7, True, 10, 10, (b"n" * 43, http.key)))
    assert (await edge.webhook()).status == 202
    assert (await edge.webhook(webhook_id="m2", key=b"n" * 43)).status == 202
    edge.tenants.add(TenantAccess(http.tenant, 7, True, 10, 10, (b"n" * 43,)))
    assert (await edge.webhook(webhook_id="m3")).status == 403


# -- 400 and 422, body


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"ticket_id":"1","subject":"\xff"}', b"nan", b"[" * 100_000]
)
async def test_a_body_that_is_no_utf8_or_no_json_is_400(edge: Edge, body: bytes) -> None:
    assert (await edge.webhook(body)).status == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "$"),
        (b"{}", "subject"),
        (b'{"request":{"id":"1"}}', "request.subject"),
        (b'{"request":{"id":"1 2","subject":"s"}}', "request.id"),
        (b'{"ticket_id":"' + b"a" * 65 + b'","subject":"s"}', "ticket_id"),
        (b'{"ticket_id":"1","subject":"s","a":' + b"[" * 32 + b"]" * 32 + b"}", "$"),
        (b"[" * 400_000 + b"]" * 400_000, "$"),
    ],
)
async def test_a_body_that_does_not_fit_is_422_with_the_fields_path(edge: Edge, body: bytes, field: str) -> None:
    answer = await edge.webhook(body)
    assert (answer.status, answer.json()["field"]) == (422, field)
    assert answer.json()["error"]


async def test_an_event_that_would_be_too_large_is_422(edge: Edge) -> None:
    edge.publisher.refuse = TooLarge("300000 bytes")
    assert (await edge.webhook()).status == 422


# -- duplicates


async def test_a_copy_is_200_and_another_body_422(edge: Edge) -> None:
    first, copy = await edge.webhook(BODY), await edge.webhook(BODY, off=5)
    assert (copy.status, copy.json()) == (200, {"event_id": first.json()["event_id"], "status": "duplicate"})
    other = await edge.webhook(BODY.replace(b"VPN", b"LAN"))
    assert other.status == 422
    assert len(edge.publisher.published) == 1


async def test_a_duplicate_still_has_to_be_signed_and_well_formed(edge: Edge) -> None:
    await edge.webhook(BODY)
    assert (await edge.webhook(BODY, key=b"x" * 43)).status == 403
    assert (await edge.webhook(b"no json")).status == 400


async def test_what_kafka_did_not_take_is_not_remembered(edge: Edge) -> None:
    edge.publisher.go_away()
    assert (await edge.webhook(BODY)).status == 503
    edge.publisher.refuse = None
    assert (await edge.webhook(BODY)).status == 202


async def waiting(edge: Edge, number: int = 1) -> None:
    async with asyncio.timeout(5):
        while edge.publisher.waiting < number:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("goes_away", "first_status", "copy_status", "other_status"), [(False, 202, 200, 422), (True, 503, 503, 503)]
)
async def test_a_copy_in_flight_awaits_the_firsts_result(
    edge: Edge, goes_away: bool, first_status: int, copy_status: int, other_status: int
) -> None:
    edge.publisher.gate.clear()
    first = asyncio.create_task(edge.webhook(BODY))
    await waiting(edge)
    copies = [asyncio.create_task(edge.webhook(BODY)) for _ in range(5)]
    other = asyncio.create_task(edge.webhook(BODY.replace(b"VPN", b"LAN")))
    done, _ = await asyncio.wait([first, *copies, other], timeout=0.3)
    assert not done
    if goes_away:
        edge.publisher.go_away()
    edge.publisher.gate.set()
    assert (await first).status == first_status
    assert {answer.status for answer in await asyncio.gather(*copies)} == {copy_status}
    assert (await other).status == other_status
    assert len(edge.publisher.published) == (0 if goes_away else 1)


async def test_the_memory_survives_a_sender_that_hangs_up(edge: Edge, http: Any) -> None:
    edge.publisher.gate.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(http.message("POST", f"/api/v1/webhooks/{http.tenant}", BODY, list(http.signed(BODY).items())))
    await waiting(edge)
    writer.close()
    copy = asyncio.create_task(edge.webhook(BODY))
    edge.publisher.gate.set()
    assert (await copy).status == 200
    assert len(edge.publisher.published) == 1


# -- rate and Kafka


async def test_above_its_rate_a_tenant_is_429_and_its_copies_are_not(edge: Edge, http: Any) -> None:
    edge.tenants.add(TenantAccess(http.tenant, 7, True, 0.1, 2, (http.key,)))
    assert [(await edge.webhook(webhook_id=name)).status for name in ("a", "b", "c")] == [202, 202, 429]
    assert (await edge.webhook(webhook_id="a")).status == 200
    assert int((await edge.webhook(webhook_id="c")).headers["retry-after"]) >= 1
    assert (await edge.webhook(b"{}", webhook_id="d")).status == 422


async def test_kafka_not_in_time_is_503(edge: Edge) -> None:
    edge.publisher.go_away()
    answer = await edge.webhook(webhook_id="late")
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    edge.publisher.refuse = None
    assert (await edge.webhook(webhook_id="late")).status == 202


async def test_what_nobody_foresaw_is_503_and_never_500(edge: Edge) -> None:
    edge.publisher.refuse = RuntimeError("a bug")
    answer = await edge.webhook()
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert b"bug" not in answer.raw
    edge.publisher.refuse = None
    assert (await edge.webhook()).status == 202


# -- the rest of HTTP


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/webhooks/a", 405),
        ("PUT", "/api/v1/webhooks/a", 405),
        ("POST", "/api/v1/webhooks/a/", 404),
        ("POST", "/api/v1/webhooks/", 404),
        ("POST", "/api/v1/webhooks", 404),
        ("POST", "//api/v1/webhooks/a", 404),
        ("GET", "/", 404),
        ("GET", "/metrics", 404),
        ("GET", "/registry/subjects", 404),
    ],
)
async def test_other_routes_are_refused_without_a_redirect(edge: Edge, method: str, path: str, status: int) -> None:
    answer = await edge.request(method, path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /api/v1/webhooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/webhooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/v1/webhooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_4xx(edge: Edge, data: bytes) -> None:
    answer = await edge.raw(data)
    assert 400 <= answer.status < 500


CHUNKED = b"POST /api/v1/webhooks/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET /keys HTTP/1.1\nHost: a\nAuthorization: Bearer tst_planted_canary\n\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nwebhook-signature: v1,planted_canary" + b"a" * 9000 + b"\r\n\r\n",
        CHUNKED + b"10\r\nplanted_canary..XX\r\n",
        CHUNKED + b"planted_canary\r\n",
    ],
)
async def test_nothing_of_what_is_no_http_is_logged(
    edge: Edge, data: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    await edge.raw(data)
    assert (await edge.webhook()).status == 202
    told = capfd.readouterr()
    assert "planted_canary" not in caplog.text + told.out + told.err
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_who_hangs_up_in_mid_body_is_no_error_of_ours(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(CHUNKED + b"10\r\nabc")
    await writer.drain()
    writer.transport.abort()
    assert (await edge.webhook()).status == 202
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_requests_on_one_connection_are_answered_in_turn(edge: Edge, http: Any) -> None:
    path = f"/api/v1/webhooks/{http.tenant}"
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    for number in range(3):
        writer.write(http.message("POST", path, BODY, list(http.signed(BODY, webhook_id=f"m{number}").items())))
    for _ in range(3):
        assert b"202" in await asyncio.wait_for(reader.readline(), 5)
        await reader.readuntil(b'"queued"}')
    writer.close()


async def test_requests_and_outcomes_are_counted(edge: Edge) -> None:
    from prometheus_client import REGISTRY

    route = {"method": "POST", "route": "/api/v1/webhooks/{tenant_id}"}

    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    before = (
        counted("http_requests_total", **route, status="202"),
        counted("http_request_duration_seconds_count", **route),
        counted("ticketstream_webhooks_total", tenant_id="msp-acme-corp", outcome="bad_signature"),
        counted("ticketstream_webhooks_total", tenant_id="", outcome="unknown_tenant"),
    )
    await edge.webhook(BODY, webhook_id="counted")
    await edge.webhook(BODY, key=b"x" * 43)
    await edge.webhook(BODY, tenant="nobody-at-all")
    assert (
        counted("http_requests_total", **route, status="202"),
        counted("http_request_duration_seconds_count", **route),
        counted("ticketstream_webhooks_total", tenant_id="msp-acme-corp", outcome="bad_signature"),
        counted("ticketstream_webhooks_total", tenant_id="", outcome="unknown_tenant"),
    ) == (before[0] + 1, before[1] + 3, before[2] + 1, before[3] + 1)
