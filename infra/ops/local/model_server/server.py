"""The model server's HTTP side: `/v1/chat/completions`, `/v1/models`, and control routes under `/_model/`."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import orjson
from aiohttp import web
from pydantic import ValidationError

from infra.ops.local.faults import FaultSchedule
from infra.ops.local.http_server import LARGEST_BODY, LONGEST_HANG, LocalHttpServer, json_answer, read_model, reset
from infra.ops.local.model_server.completions import ChatRequest, chunks_of, completion, error_answer
from infra.ops.local.model_server.ledger import Ledger, ModelCall, digest, messages_hash
from infra.ops.local.model_server.note import subject_in, user_text, write_note
from infra.ops.local.model_server.settings import FaultList, ModelFault, ModelSettings

PREFIX = "_model"
GARBAGE = '{"id":"gen-1","choices":[{"mess\x00<html><title>502 Bad Gateway</title>'


class ModelServer(LocalHttpServer):
    """An OpenAI-compatible server: `async with ModelServer() as model: model.base_url`.

    `clock` gives seconds since 1970; `seed` fixes latencies from a range and faults with a probability. `journal` is a file that
    gets a line a call.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        settings: ModelSettings | None = None,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
        journal: Path | None = None,
    ) -> None:
        super().__init__(port=port, host=host)
        self.settings = settings or ModelSettings()
        self.ledger = Ledger(journal)
        self._clock = clock
        self._random = Random(seed)
        self.faults: FaultSchedule[ModelFault] = FaultSchedule(self._random)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return self.url + "/v1"

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._chat),
                web.get("/v1/models", self._models),
                web.get(f"/{PREFIX}/health", self._health),
                web.put(f"/{PREFIX}/settings", self._put_settings),
                web.get(f"/{PREFIX}/calls", self._calls),
                web.get(f"/{PREFIX}/counts", self._counts),
                web.get(f"/{PREFIX}/faults", self._get_faults),
                web.post(f"/{PREFIX}/faults", self._set_faults),
                web.delete(f"/{PREFIX}/faults", self._clear_faults),
                web.post(f"/{PREFIX}/reset", self._reset),
            ]
        )
        return app

    def reset(self) -> None:
        """Forget faults and calls; settings stay."""
        self.faults.clear()
        self.ledger.reset()

    def _admits(self, request: web.Request) -> bool:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return (
            scheme.lower() == "bearer" and bool(key) and (not self.settings.api_keys or key in self.settings.api_keys)
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            asked = ChatRequest.model_validate_json(raw)
        except ValidationError as error:
            return error_answer(400, str(error.errors(include_url=False, include_input=False)[:3]))
        call = self.ledger.started(
            ModelCall(
                model=asked.model,
                started=self._clock(),
                messages_hash=messages_hash(asked.messages),
                authorization_hash=digest(request.headers.get("Authorization", "").encode()),
                body=orjson.loads(raw),
                size=len(raw),
                subject=subject_in(user_text(asked.messages)),
            )
        )
        status = 0
        try:
            answer = await self._answer(request, asked, call)
            hung_up = request.transport is None or request.transport.is_closing()
            status = 0 if hung_up else answer.status
        finally:
            self.ledger.ended(call, status, self._clock())
        return answer

    async def _answer(self, request: web.Request, asked: ChatRequest, call: ModelCall) -> web.StreamResponse:
        if not self._admits(request):
            return error_answer(401, "No auth credentials found")
        if self.settings.only_these and asked.model not in self.settings.models:
            return error_answer(404, f"No endpoints found for {asked.model}.")
        faults = self.faults.take(asked.model)
        call.fault = "+".join(fault.kind for fault in faults)
        for fault in faults:
            if fault.kind == "latency":
                await self.pause(fault.delay(self._random))
            elif fault.kind == "reset":
                return reset(request)
            elif fault.kind == "hang":
                return await self.hang(request, LONGEST_HANG if fault.seconds is None else fault.seconds)
            elif (refused := _refusal(fault)) is not None:
                return refused
        return await self._written(request, asked, call, faults[-1] if faults else None)

    async def _written(
        self, request: web.Request, asked: ChatRequest, call: ModelCall, fault: ModelFault | None
    ) -> web.StreamResponse:
        kind = "" if fault is None else fault.kind
        text = fault.text if fault is not None and kind == "answer" else write_note(asked.messages)
        body = completion(asked, text, self.settings, truncated=kind == "truncated")
        if kind == "empty_choices":
            body["choices"] = []
        call.total_tokens = body["usage"]["total_tokens"]
        if not asked.stream:
            return json_answer(body)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await stream.prepare(request)
        for chunk in chunks_of(body):
            await stream.write(chunk)
        await stream.write_eof()
        return stream

    async def _models(self, request: web.Request) -> web.Response:
        if not self._admits(request):
            return error_answer(401, "No auth credentials found")
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "local"} for name in self.settings.models]
        return json_answer({"object": "list", "data": models})

    async def _health(self, request: web.Request) -> web.Response:
        return json_answer({"status": "healthy"})

    async def _put_settings(self, request: web.Request) -> web.Response:
        self.settings = await read_model(request, ModelSettings)
        return json_answer(self.settings.model_dump(mode="json"))

    async def _calls(self, request: web.Request) -> web.Response:
        return json_answer({"calls": self.ledger.calls(request.query.get("model", ""))})

    async def _counts(self, request: web.Request) -> web.Response:
        return json_answer(self.ledger.counts())

    async def _get_faults(self, request: web.Request) -> web.Response:
        return json_answer({"faults": self.faults.as_json()})

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self.faults.set((await read_model(request, FaultList)).faults)
        except ValueError as error:
            return json_answer({"error": str(error)}, 422)
        return await self._get_faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return json_answer({})

    async def _reset(self, request: web.Request) -> web.Response:
        self.reset()
        return json_answer({})


def _refusal(fault: ModelFault) -> web.Response | None:
    """The answer of a fault that writes no note."""
    match fault.kind:
        case "rate_limit":
            return error_answer(429, "Rate limit exceeded", retry_after=fault.retry_after)
        case "error":
            return error_answer(fault.status, fault.message, retry_after=fault.retry_after)
        case "error_in_200":
            return error_answer(fault.status, fault.message, http_status=200)
        case "garbage":
            return web.Response(text=GARBAGE, content_type="application/json")
        case _:
            return None
