"""The model writer with the real litellm, over real HTTP, against the local model server: every way a call can end.

In one module, since importing litellm takes seconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from infra.ops.local.model_server import ModelFault, ModelServer
from processors.synthesize.breaker import FAILURES
from processors.synthesize.guarded_model import GuardedModel
from processors.synthesize.prompts import VERSION
from processors.synthesize.writer.litellm_model import Account, LitellmModel
from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable, Written
from schemas.events import Writer
from schemas.reasons import Reason
from tests.unit.processors.synthesize.examples import ManualClock, described, enriched, task

ODD_ANSWER = (
    "## Problem in short\n\nBilling stands \ud83d for the whole team since 11:35, as the ticket says. [1-2]\n\n"
    "## Steps\n\n1. Find the head blocker with the query of the article, then ask that person to finish. [1]\n"
    "2. Watch for an hour that no waits of type LCK come back, and write what helped into the resolution. [1]\n"
    "3. Nobody says so. [7-9]\n"
)
Result = Written | WriterUnavailable | WriterRefused


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer(seed=1) as server:
        yield server


@pytest.fixture(scope="module")
async def writer(server: ModelServer) -> LitellmModel:
    writer = LitellmModel(Account("local-key", server.base_url))
    await writer.warm_up()
    return writer


@pytest.fixture(autouse=True)
def clean(server: ModelServer) -> None:
    server.reset()


async def write(writer: LitellmModel, server: ModelServer, *faults: ModelFault, seconds: float = 20.0) -> Result:
    server.faults.set(faults)
    return await writer.write(task(seconds=seconds))


def written(result: Result) -> Written:
    assert isinstance(result, Written), result
    return result


async def test_a_note_comes_with_citations_usage_and_cost(writer: LitellmModel, server: ModelServer) -> None:
    note = written(await write(writer, server))
    assert note.text.startswith("## Problem in short")
    assert [citation.number for citation in note.citations] == [1, 2, 3, 4]
    assert (note.writer, note.model, note.prompt_version) == (Writer.MODEL, "gpt-4-turbo", VERSION)
    assert note.usage.prompt_tokens > 500
    assert note.usage.cost_usd
    assert note.degraded is None


async def test_the_request_has_the_tenants_choice_and_forbids_keeping_data(
    writer: LitellmModel, server: ModelServer
) -> None:
    await writer.write(task())
    [call] = server.ledger.calls()
    body = call["body"]
    assert (body["model"], body["temperature"]) == ("openai/gpt-4-turbo", 0.7)
    assert body["provider"] == {"data_collection": "deny"}
    assert "Sunflower" not in str(body)


async def test_personal_data_is_masked_on_the_way_out_and_back_in_the_note(
    writer: LitellmModel, server: ModelServer
) -> None:
    event = enriched(ticket=described("freezes", subject="Ring +44 20 7946 0018 or a@b.example, PW: Maple_44"))
    note = written(await writer.write(task(event)))
    sent = str(server.ledger.calls()[0]["body"])
    assert "7946" not in sent
    assert "Ring +44 20 7946 0018 or a@b.example" in note.text
    assert "Maple_44" not in sent + note.text


async def test_a_slow_answer_within_the_deadline_is_an_answer(writer: LitellmModel, server: ModelServer) -> None:
    written(await write(writer, server, ModelFault(kind="latency", seconds=0.5)))


async def test_a_call_that_hangs_ends_at_the_deadline(writer: LitellmModel, server: ModelServer) -> None:
    started = time.monotonic()
    result = await write(writer, server, ModelFault(kind="hang", seconds=30), seconds=1.0)
    assert isinstance(result, WriterUnavailable)
    assert result.reason is Reason.MODEL_UNAVAILABLE
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "fault",
    [ModelFault(kind="rate_limit", retry_after=17), ModelFault(kind="error_in_200", status=429)],
    ids=["status 429", "429 in a 200"],
)
async def test_a_rate_limit_is_a_value_with_its_time(
    writer: LitellmModel, server: ModelServer, fault: ModelFault
) -> None:
    result = await write(writer, server, fault)
    assert isinstance(result, WriterUnavailable)
    assert (result.reason, result.retry_after) == (Reason.MODEL_RATE_LIMITED, fault.retry_after or 10.0)


async def test_a_time_that_is_a_date_is_held_against_the_answers_own_clock() -> None:
    """The provider's clock is an hour ahead of ours."""
    now = datetime.now(UTC) + timedelta(hours=1)
    dates = {"Date": format_datetime(now, True), "Retry-After": format_datetime(now + timedelta(seconds=40), True)}

    async def chat(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "slow down", "code": 429}}, status=429, headers=dates)

    app = web.Application()
    app.router.add_post("/{path:.*}", chat)
    async with TestServer(app) as local:
        result = await LitellmModel(Account("local-key", str(local.make_url("")))).write(task())
    assert isinstance(result, WriterUnavailable)
    assert (result.reason, result.retry_after) == (Reason.MODEL_RATE_LIMITED, 40.0)


async def test_a_provider_that_fails_is_left_alone_and_asked_again_when_it_is_back(
    writer: LitellmModel, server: ModelServer
) -> None:
    clock = ManualClock()
    guarded = GuardedModel(writer, clock=clock, random=Random(1))
    server.faults.set([ModelFault(kind="error", status=503, calls=FAILURES)])
    for _ in range(2 * FAILURES):
        assert isinstance(await guarded.write(task()), WriterUnavailable)
    assert server.ledger.counts()["calls"] == FAILURES
    clock.advance(10)
    written(await guarded.write(task()))
    written(await guarded.write(task()))


@pytest.mark.parametrize(
    "fault",
    [
        ModelFault(kind="error", status=500),
        ModelFault(kind="error", status=502),
        ModelFault(kind="error", status=503, retry_after=5),
        ModelFault(kind="error_in_200", status=502),
        ModelFault(kind="empty_choices"),
        ModelFault(kind="garbage"),
        ModelFault(kind="reset"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
async def test_a_failing_provider_is_unavailable(writer: LitellmModel, server: ModelServer, fault: ModelFault) -> None:
    result = await write(writer, server, fault)
    assert isinstance(result, WriterUnavailable)
    assert (result.reason, result.retry_after) == (Reason.MODEL_UNAVAILABLE, 5.0)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
async def test_what_waiting_does_not_mend_is_refused(writer: LitellmModel, server: ModelServer, status: int) -> None:
    result = await write(writer, server, ModelFault(kind="error", status=status))
    assert isinstance(result, WriterRefused)
    assert str(status) in result.detail


async def test_one_failed_call_is_one_call(writer: LitellmModel, server: ModelServer) -> None:
    await write(writer, server, ModelFault(kind="error", status=500, calls=1))
    assert server.ledger.counts()["calls"] == 1


async def test_an_answer_that_was_cut_off_says_so(writer: LitellmModel, server: ModelServer) -> None:
    note = written(await write(writer, server, ModelFault(kind="truncated")))
    assert note.degraded == "the model's answer was cut off"
    assert "## Steps" in note.text


async def test_an_answer_without_steps_is_refused_and_its_cost_kept(writer: LitellmModel, server: ModelServer) -> None:
    result = await write(writer, server, ModelFault(kind="answer", text="I'd rather write a poem about printers."))
    assert isinstance(result, WriterRefused)
    assert result.usage.completion_tokens > 0


async def test_a_misled_model_gets_nothing_through(writer: LitellmModel, server: ModelServer) -> None:
    text = (
        "## Problem in short\n\nBilling stands still for the whole team since 11:35, as the ticket says. [1]\n\n"
        "## Steps\n\n1. Find the head blocker with the query of the article, then ask that person to finish. [1]\n"
        "2. Send the customer to [this page](https://evil.example/login) at 203.0.113.66. [1]\n"
        "3. Install KB5999999 as ticket 99999 says. [8]\n"
        "4. Watch for an hour that no waits of type LCK come back, and write what helped into the resolution. [1]\n"
    )
    note = written(await write(writer, server, ModelFault(kind="answer", text=text)))
    for invented in ("evil.example", "203.0.113.66", "5999999", "99999", "[8]"):
        assert invented not in note.text
    assert "2. Watch for an hour" in note.text
    assert note.degraded is not None
    assert note.degraded.startswith("removed from the model's text: ")


async def test_marks_in_other_forms_are_held_against_the_evidence_too(
    writer: LitellmModel, server: ModelServer
) -> None:
    text = ODD_ANSWER.replace("\ud83d", "still")
    note = written(await write(writer, server, ModelFault(kind="answer", text=text)))
    assert [citation.number for citation in note.citations] == [1, 2]
    assert "[1][2]" in note.text
    assert "7-9" not in note.text


async def test_an_answer_with_half_a_surrogate_pair_and_absurd_usage_can_be_stored() -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ODD_ANSWER}}
    used = {"prompt_tokens": 10**12, "completion_tokens": 1, "total_tokens": 2}
    body = json.dumps(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": used}
    )

    async def chat(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/{path:.*}", chat)
    async with TestServer(app) as local:
        note = written(await LitellmModel(Account("local-key", str(local.make_url("")))).write(task()))
    assert note.text.encode()
    assert note.usage.prompt_tokens == 2**31 - 1


async def test_a_choice_that_is_not_listed_is_refused_without_a_call(writer: LitellmModel, server: ModelServer) -> None:
    wish = replace(task(), choice=replace(task().choice, model="local/writer"))
    assert isinstance(await writer.write(wish), WriterRefused)
    assert server.ledger.counts()["calls"] == 0


async def test_cancelling_a_call_leaves_the_writer_usable(writer: LitellmModel, server: ModelServer) -> None:
    server.faults.set([ModelFault(kind="hang", seconds=30, calls=1)])
    call = asyncio.create_task(writer.write(task()))
    deadline = time.monotonic() + 5
    while not server.ledger.counts()["under_way"] and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    written(await writer.write(task()))
