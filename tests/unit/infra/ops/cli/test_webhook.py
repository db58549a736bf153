"""`webhook send`: signed as the edge wants it, and the answer in words."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from infra.ops.cli.webhook_answers import meaning_of
from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id
from ingest.verifier import BadSecret, Verdict, read_headers, verify

RAW = "q2x9-Zk4t_7LmW0eYhB3sVnD6uRcJfTgAoPiKyEwXMl"


def test_the_published_vector_of_standard_webhooks_is_met() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', timestamp=1614265330)
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_forms_of_a_secret_are_the_same_key() -> None:
    assert key_of("whsec_" + b64encode(RAW.encode()).decode()) == key_of(RAW + "\n") == RAW.encode()


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "short", "x" * 65])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(BadSecret):
        key_of(text)


def test_the_edge_verifies_what_is_sent() -> None:
    body, identifier = b'{"request": {}}', new_webhook_id()
    signed = headers(RAW.encode(), identifier, body, timestamp=1_700_000_000)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    read = read_headers(*([signed[name].encode()] for name in names))
    assert not isinstance(read, str)
    assert verify(read, body, [RAW.encode()], now=1_700_000_010) is Verdict.VALID
    assert verify(read, body, [RAW.encode()], now=1_700_001_000) is Verdict.STALE


@pytest.mark.parametrize("status", [200, 202, 400, 403, 404, 408, 413, 415, 422, 429, 503])
def test_every_answer_of_the_edge_has_words_and_each_refusal_a_hint(status: int) -> None:
    meaning = meaning_of(status)
    assert meaning.says
    assert meaning.accepted == (status in (200, 202))
    assert meaning.accepted or meaning.check


def test_a_403_names_the_clock_first_when_the_clocks_are_apart() -> None:
    assert "clock" in meaning_of(403, seconds_off=-400.0).check[0]
    assert "clock" not in meaning_of(403, seconds_off=0.4).check[0]


@pytest.mark.parametrize(("status", "told"), [(403, "within 5 s"), (422, '{"request": '), (422, '{"ticket_id": ')])
def test_a_hint_names_what_it_may_be(status: int, told: str) -> None:
    assert told in "\n".join(meaning_of(status).check)


@pytest.fixture(name="edge")
async def choosy_edge() -> AsyncIterator[TestServer]:
    async def answer(request: web.Request) -> web.Response:
        accepted = b"webhook" in (await request.read()) and "webhook-signature" in request.headers
        return web.json_response({"event_id": "e1", "status": "queued"}, status=202 if accepted else 403)

    app = web.Application()
    app.router.add_post("/api/v1/webhooks/{tenant}", answer)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.mark.parametrize(("body", "code", "accepted"), [("a webhook", 0, True), ("nothing", 1, False)])
async def test_the_answer_decides_the_exit_code(
    edge: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, code: int, accepted: bool
) -> None:
    import asyncio
    import os
    import sys

    file = tmp_path / "body.json"
    file.write_text(body)
    monkeypatch.setenv("TICKETSTREAM_WEBHOOK_SECRET", RAW)
    words = ["webhook", "send", "msp-one", str(file), "--json", "--url", str(edge.make_url("/api/v1/webhooks/msp-one"))]
    program = f"import sys; from infra.ops.cli.main import run; sys.exit(run({words!r}))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    out, _ = await process.communicate()
    assert process.returncode == code
    value = json.loads(out)
    assert value["accepted"] is accepted and value["status"] == (202 if accepted else 403) and value["says"]
