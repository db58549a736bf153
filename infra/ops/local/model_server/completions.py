"""OpenAI's chat completion: the request's shape, the answer's, and its stream."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from infra.ops.local.http_server import json_answer
from infra.ops.local.model_server.ledger import digest
from infra.ops.local.model_server.note import text_of
from infra.ops.local.model_server.settings import ModelSettings

TOKEN = re.compile(r"\w+|[^\w\s]")
WORDS_A_CHUNK = 12


class ChatRequest(BaseModel):
    """What the server reads of a request; all else is kept in the ledger only."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=200)
    messages: list[dict[str, Any]] = Field(min_length=1, max_length=1000)
    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)

    def most_tokens(self) -> int | None:
        """The limit of the answer's length."""
        return self.max_completion_tokens or self.max_tokens


def tokens_in(text: str) -> int:
    """A simple count: words and punctuation marks."""
    return len(TOKEN.findall(text))


def cut(text: str, tokens: int) -> str:
    """The first so many tokens of a text."""
    for number, match in enumerate(TOKEN.finditer(text)):
        if number == tokens:
            return text[: match.start()]
    return text


def completion(request: ChatRequest, text: str, settings: ModelSettings, *, truncated: bool = False) -> dict[str, Any]:
    """The answer's body. It stops with "length" when it is longer than the request allows, or when told so."""
    most = request.most_tokens()
    if truncated:
        text = text[: len(text) // 2]
    elif most is not None and tokens_in(text) > most:
        text, truncated = cut(text, most), True
    prompt = sum(tokens_in(text_of(message)) for message in request.messages)
    written = tokens_in(text)
    cost = (prompt * settings.input_price + written * settings.output_price) / 1_000_000
    return {
        "id": "gen-" + digest(f"{request.model}\0{text}".encode())[:24],
        "object": "chat.completion",
        "created": 1_700_000_000,  # fixed: the same prompt gives the same bytes
        "model": request.model,
        "provider": "local",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "length" if truncated else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "cost": round(cost, 9),
        },
    }


def error_answer(
    status: int, message: str, *, http_status: int | None = None, retry_after: int | None = None
) -> web.Response:
    """An error as OpenRouter gives it; `http_status` 200 puts it into a success."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return json_answer({"error": {"code": status, "message": message}}, http_status or status, headers)


def chunks_of(body: dict[str, Any]) -> Iterator[bytes]:
    """The same answer as server-sent events; the last one has the usage."""
    [choice] = body["choices"] or [{"message": {"content": ""}, "finish_reason": "stop"}]
    head = {name: body[name] for name in ("id", "created", "model", "provider")} | {"object": "chat.completion.chunk"}
    parts = re.findall(rf"(?:\s*\S+){{1,{WORDS_A_CHUNK}}}\s*", choice["message"]["content"])
    for part in parts:
        delta = {"index": 0, "delta": {"role": "assistant", "content": part}, "finish_reason": None}
        yield b"data: " + orjson.dumps(head | {"choices": [delta]}) + b"\n\n"
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield b"data: " + orjson.dumps(head | {"choices": [last], "usage": body["usage"]}) + b"\n\n"
    yield b"data: [DONE]\n\n"
