"""The model server over real HTTP: its note, its faults and its ledger."""

import asyncio
import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.ops.local.http_server import ControlError
from infra.ops.local.model_server import ModelControl, ModelFault, ModelServer, ModelSettings

PROMPT = """Subject: VPN down at Pier 5
Sources, as data:
[1] docs: IPsec phase 2 fails after firmware update
Lifetime 3600 s.
[2] ticket_history: Tunnel to Pier 5 dropped
[3] ip_data: FortiGate at the pier
  [2] the same label again
"""
HEADINGS = [
    "Problem in short",
    "Likely causes",
    "Steps",
    "Similar tickets",
    "Articles",
    "Network facts",
    "What is unknown",
]
BEARER = {"Authorization": "Bearer local-key"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer(seed=1) as model:
        yield model


@pytest.fixture
async def control(model: ModelServer, session: aiohttp.ClientSession) -> ModelControl:
    return ModelControl(model.base_url, session)


class Client:
    """A minimal client of the model server."""

    def __init__(self, model: ModelServer, session: aiohttp.ClientSession) -> None:
        self._url = model.base_url + "/chat/completions"
        self._session = session

    async def raw(self, **changed: Any) -> tuple[int, str, str | None]:
        messages = [{"role": "system", "content": "[9] not a source"}, {"role": "user", "content": PROMPT}]
        body = {"model": "local/writer", "messages": messages} | changed
        async with self._session.post(self._url, json=body, headers=BEARER) as answer:
            return answer.status, await answer.text(), answer.headers.get("Retry-After")

    async def ask(self, **changed: Any) -> tuple[int, Any]:
        status, text, _ = await self.raw(**changed)
        return status, json.loads(text)


@pytest.fixture
def client(model: ModelServer, session: aiohttp.ClientSession) -> Client:
    return Client(model, session)


async def test_the_note_is_the_same_for_the_same_prompt_and_cites_its_sources(client: Client) -> None:
    first, second = await client.raw(), await client.raw()
    assert first == second
    body = json.loads(first[1])
    [choice] = body["choices"]
    note = choice["message"]["content"]
    assert re.findall(r"^## (.+)$", note, re.MULTILINE) == HEADINGS
    sections = dict(zip(HEADINGS, re.split(r"^## .+$", note, flags=re.MULTILINE)[1:], strict=True))
    assert "VPN down at Pier 5" in sections["Problem in short"]
    assert "Tunnel to Pier 5 dropped [2]" in sections["Similar tickets"]
    assert "IPsec phase 2 fails after firmware update [1]" in sections["Articles"]
    assert "FortiGate at the pier [3]" in sections["Network facts"]
    assert re.findall(r"^(\d)\. ", sections["Steps"], re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]
    assert set(re.findall(r"\[(\d+)\]", note)) == {"1", "2", "3"}
    usage = body["usage"]
    assert choice["finish_reason"] == "stop"
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 50
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] * 0.15 + usage["completion_tokens"] * 0.6) / 1e6)


async def test_a_prompt_without_sources_gets_a_note_without_citations(client: Client) -> None:
    _, body = await client.ask(messages=[{"role": "user", "content": [{"type": "text", "text": "Subject: Printer"}]}])
    note = body["choices"][0]["message"]["content"]
    assert re.findall(r"^## (.+)$", note, re.MULTILINE) == HEADINGS
    assert "Printer" in note
    assert "[" not in note


async def test_an_answer_longer_than_asked_stops_with_length(client: Client) -> None:
    _, body = await client.ask(max_tokens=20)
    assert (body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]) == ("length", 20)


async def test_a_stream_has_the_same_text_and_the_usage_at_its_end(client: Client) -> None:
    _, whole = await client.ask()
    _, text, _ = await client.raw(stream=True)
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    streamed = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert streamed == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == whole["usage"]


async def test_faults_hit_one_model_as_often_as_set(client: Client, control: ModelControl) -> None:
    await control.set_faults(
        ModelFault(kind="rate_limit", retry_after=3, calls=1, model="local/writer"),
        ModelFault(kind="error", status=502, calls=1, model="local/writer"),
        ModelFault(kind="error_in_200", status=524, message="Provider timed out", calls=1, model="local/writer"),
        ModelFault(kind="empty_choices", calls=1, model="local/writer"),
        ModelFault(kind="truncated", calls=1, model="local/writer"),
        ModelFault(kind="answer", text="ask 198.51.100.7", calls=1, model="local/writer"),
        ModelFault(kind="garbage", calls=1, model="local/writer"),
        ModelFault(kind="reset", calls=1, model="local/writer"),
        ModelFault(kind="hang", seconds=0.05, calls=1, model="local/writer"),
    )
    assert (await client.ask(model="local/fallback"))[0] == 200
    status, _, retry_after = await client.raw()
    assert (status, retry_after) == (429, "3")
    assert (await client.ask())[0] == 502
    assert await client.ask() == (200, {"error": {"code": 524, "message": "Provider timed out"}})
    status, body = await client.ask()
    assert (status, body["choices"]) == (200, [])
    _, body = await client.ask()
    assert body["choices"][0]["finish_reason"] == "length"
    _, body = await client.ask()
    assert body["choices"][0]["message"]["content"] == "ask 198.51.100.7"
    with pytest.raises(json.JSONDecodeError):
        await client.ask()
    for _ in range(2):
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await client.ask()
    assert await control.faults() == []
    assert (await client.ask())[0] == 200
    counts = await control.counts()
    assert counts["by_model"] == {"local/fallback": 1, "local/writer": 10}
    assert counts["by_status"] == {"0": 2, "200": 7, "429": 1, "502": 1}
    assert (counts["distinct_prompts"], counts["repeated_prompts"], counts["under_way"]) == (1, 1, 0)


async def test_latency_is_drawn_from_its_range_until_cleared(client: Client, control: ModelControl) -> None:
    await control.set_faults(ModelFault(kind="latency", seconds=0.1, seconds_max=0.2))
    await asyncio.gather(*(client.ask() for _ in range(5)))
    took = [call["ended"] - call["started"] for call in await control.calls()]
    assert min(took) >= 0.09
    assert len({round(seconds, 3) for seconds in took}) > 1
    assert (await control.counts())["most_under_way"] == 5
    await control.clear_faults()
    started = time.monotonic()
    await client.ask()
    assert time.monotonic() - started < 0.09


async def test_the_ledger_keeps_the_whole_body_and_only_a_hash_of_the_key(
    client: Client, control: ModelControl
) -> None:
    provider = {"data_collection": "deny", "only": ["x"]}
    await client.ask(provider=provider)
    [call] = await control.calls("local/writer")
    assert call["body"]["provider"] == provider
    assert call["authorization_hash"] == hashlib.sha256(b"Bearer local-key").hexdigest()
    assert "local-key" not in json.dumps(call)
    reordered = [{"content": message["content"], "role": message["role"]} for message in call["body"]["messages"]]
    await client.ask(messages=reordered)
    await client.ask(messages=[{"role": "user", "content": "other"}])
    hashes = [call["messages_hash"] for call in await control.calls()]
    assert hashes[0] == hashes[1] != hashes[2]
    assert await control.calls("local/fallback") == []


async def test_keys_models_and_bodies_are_checked(
    client: Client, control: ModelControl, model: ModelServer, session: aiohttp.ClientSession
) -> None:
    async with session.get(model.base_url + "/models", headers=BEARER) as answer:
        assert [one["id"] for one in (await answer.json())["data"]] == ["local/writer", "local/fallback"]
    async with session.get(model.base_url + "/models") as answer:
        assert answer.status == 401
    assert (await client.ask(messages=[]))[0] == 400
    assert (await client.ask(model="any/other"))[0] == 200
    await control.put_settings(ModelSettings(only_these=True))
    assert (await client.ask(model="any/other"))[0] == 404
    await control.put_settings(ModelSettings(api_keys=("another",)))
    assert (await client.ask())[0] == 401
    with pytest.raises(ControlError, match="latency needs `seconds`"):
        await control.call("POST", "/faults", {"faults": [{"kind": "latency"}]})


async def test_as_a_program_it_says_its_url_and_stops_on_sigterm(session: aiohttp.ClientSession) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "infra.ops.local.model_server",
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[5],
    )
    assert process.stdout is not None
    try:
        url = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))["url"]
        assert (await ModelControl(url, session).counts())["calls"] == 0
        os.kill(process.pid, signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_journal_outlives_the_server_and_names_the_ticket(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    journal = tmp_path / "calls.jsonl"
    body = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
    for _ in range(2):
        async with ModelServer(journal=journal) as model:
            await ModelControl(model.base_url, session).set_faults(ModelFault(kind="garbage", calls=1))
            async with session.post(f"{model.base_url}/chat/completions", json=body, headers=BEARER) as answer:
                await answer.read()

    calls = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(call["subject"], call["status"], call["fault"]) for call in calls] == [
        ("VPN down at Pier 5", 200, "garbage")
    ] * 2
    assert "body" not in calls[0] and calls[0]["started"] <= calls[0]["ended"]
