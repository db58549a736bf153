"""Bearer tokens: looked up, locked out, and never good for another tenant."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from ingest.bearer import CACHED_SECONDS, OTHERS_OF_A_TOKEN, WRONG_OF_A_SOURCE, WRONG_OF_ALL
from ingest.fakes import FakeToken
from ingest.openapi import OPERATIONS
from ingest.token_guessing import FIRST_WAIT

Edge = Any
TENANT, OTHER = "msp-acme-corp", "msp-other"
BOTH = "tst_writer_and_reader"
WITH_TOKEN = [(operation.method.upper(), operation.path) for operation in OPERATIONS if operation.scope]


async def read(edge: Edge, token: str = BOTH, *, source: str = "198.51.100.1", path: str = "/api/v1/feedback") -> Any:
    return await edge.request("GET", path, b"", [("Authorization", f"Bearer {token}"), ("X-Forwarded-For", source)])


async def guess(edge: Edge, times: int, *, source: str = "198.51.100.1") -> list[int]:
    return [(await read(edge, f"tst_guess_{number}", source=source)).status for number in range(times)]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def for_another(edge: Edge, method: str, path: str) -> Any:
    """A request with a good token that names another tenant, wherever the route takes a tenant."""
    body, query = b"", f"?tenant_id={OTHER}"
    if method == "POST":
        body, query = json.dumps({"ticket_id": "1", "rating": 4, "tenant_id": OTHER}).encode(), ""
    headers = [("Authorization", f"Bearer {BOTH}"), ("Content-Type", "application/json")]
    return await edge.request(method, path + query, body, headers)


@pytest.mark.parametrize(("method", "path"), WITH_TOKEN)
async def test_a_token_is_good_for_its_own_tenant_only(edge: Edge, method: str, path: str) -> None:
    before = counted("ticketstream_tokens_for_another_tenant_total", tenant_id=TENANT)
    answer = await for_another(edge, method, path)
    assert (answer.status, answer.json()) == (403, {"error": "the token is for another tenant"})
    assert counted("ticketstream_tokens_for_another_tenant_total", tenant_id=TENANT) == before + 1
    assert edge.tokens.audited == [(TENANT, OTHER, f"{method} {path} from 127.0.0.1")]
    assert edge.publisher.published == [] and edge.feedback.queries == []


@pytest.mark.parametrize("named", ["", "msp-acme-corp"])
async def test_a_second_tenant_in_the_same_request_is_another_one(edge: Edge, named: str) -> None:
    answer = await read(edge, path=f"/api/v1/feedback?tenant_id={named}&tenant_id={OTHER}")
    assert answer.status == 403
    assert [other for _, other, _ in edge.tokens.audited] == [OTHER]


async def test_refused_for_another_tenant_also_where_it_cannot_be_audited(edge: Edge) -> None:
    assert (await read(edge)).status == 200
    edge.tokens.away = True
    assert (await for_another(edge, "GET", "/api/v1/feedback")).status == 403


async def test_a_token_that_is_used_for_others_again_and_again_is_refused_without_an_entry_each(edge: Edge) -> None:
    before = counted("ticketstream_tokens_for_another_tenant_total", tenant_id=TENANT)
    answers = [await for_another(edge, "GET", "/api/v1/feedback") for _ in range(OTHERS_OF_A_TOKEN + 3)]
    assert [answer.status for answer in answers] == [403] * OTHERS_OF_A_TOKEN + [429] * 3
    assert int(answers[-1].headers["retry-after"]) > 0
    assert counted("ticketstream_tokens_for_another_tenant_total", tenant_id=TENANT) == before + len(answers)
    assert len(edge.tokens.audited) == OTHERS_OF_A_TOKEN and "locked out" in edge.tokens.audited[-1][2]
    assert (await read(edge)).status == 200, "its own tenant's feedback is still its own"


async def test_who_guesses_waits_longer_each_time_and_others_do_not(edge: Edge) -> None:
    assert await guess(edge, WRONG_OF_A_SOURCE) == [401] * WRONG_OF_A_SOURCE
    locked = await read(edge, "tst_one_more_guess")
    assert locked.status == 429
    assert FIRST_WAIT - 5 < int(locked.headers["retry-after"]) <= FIRST_WAIT
    checks = edge.tokens.checks
    assert (await read(edge, "tst_another_guess")).status == 429
    assert edge.tokens.checks == checks, "nothing is looked up for who is locked out"
    assert await guess(edge, 1, source="198.51.100.2") == [401]

    edge.ahead += FIRST_WAIT + 1
    assert await guess(edge, WRONG_OF_A_SOURCE) == [401] * WRONG_OF_A_SOURCE
    again = await read(edge, "tst_one_more_guess")
    assert again.status == 429
    assert int(again.headers["retry-after"]) > FIRST_WAIT


async def test_a_tool_in_use_is_not_locked_out_by_others_behind_its_address(edge: Edge) -> None:
    assert (await read(edge)).status == 200
    await guess(edge, WRONG_OF_A_SOURCE)
    assert (await read(edge)).status == 200
    edge.ahead += CACHED_SECONDS + 1
    assert (await read(edge)).status == 200, "nor when it is looked up again"
    assert (await read(edge, "tst_reader_only")).status == 429, "this process doesn't know it yet"
    assert (await read(edge, "tst_reader_only", source="198.51.100.2")).status == 200


async def test_guessing_from_everywhere_is_bounded_too(edge: Edge) -> None:
    assert (await read(edge)).status == 200
    for number in range(0, WRONG_OF_ALL, WRONG_OF_A_SOURCE - 1):
        await guess(edge, WRONG_OF_A_SOURCE - 1, source=f"198.51.{number // 256}.{number % 256}")
    assert await guess(edge, 1, source="203.0.113.1") == [429]
    assert (await read(edge)).status == 200


async def test_what_is_no_token_at_all_is_no_guess(edge: Edge) -> None:
    for _ in range(WRONG_OF_A_SOURCE + 1):
        assert (await read(edge, "short")).status == 401
    assert (await read(edge)).status == 200


async def test_a_token_that_was_revoked_ends_within_five_seconds(edge: Edge) -> None:
    assert (await read(edge)).status == 200
    del edge.tokens.tokens[BOTH]
    assert CACHED_SECONDS < 5
    edge.ahead += CACHED_SECONDS + 0.1
    assert (await read(edge)).status == 401


async def test_many_requests_at_once_look_a_new_token_up_once(edge: Edge) -> None:
    edge.tokens.tokens["tst_brand_new"] = FakeToken("9", TENANT, frozenset({"feedback:read"}))
    answers = await asyncio.gather(*(read(edge, "tst_brand_new") for _ in range(30)))
    assert {answer.status for answer in answers} == {200}
    assert edge.tokens.checks == 1


@pytest.mark.parametrize("silent", [False, True])
async def test_without_the_store_nobody_gets_in_and_nobody_is_to_blame(
    edge: Edge, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    monkeypatch.setattr("ingest.bearer.ANSWER_SECONDS", 0.2)
    edge.tokens.silent, edge.tokens.away = silent, not silent
    for _ in range(WRONG_OF_A_SOURCE // 4):
        answer = await read(edge)
        assert answer.status == 503 and answer.headers["retry-after"]
    edge.tokens.silent = edge.tokens.away = False
    assert (await read(edge)).status == 200
