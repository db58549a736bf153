"""The routes for programs: `POST /api/v1/commands/{words}` under the caller's own operator token.

As JSON: the command's object with 200, or with `Accept: application/x-ndjson` a line for each piece that the command writes, as it
writes it: {"stdout": "…"}, {"stderr": "…"}, {"alive": true} in silence, {"file": "name", "base64": "…"} in pieces for what it made,
and at last {"exit": 0}.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from aiohttp import web

from infra.ops.console.commands.openapi import document
from infra.ops.console.commands.runner import Caller, Commands, UnderWay
from infra.ops.console.commands.running import Ended
from infra.ops.console.commands.scratch import Scratch
from infra.ops.console.refusals import Refused
from infra.ops.console.sign_in import SignIn
from infra.ops.console.visits import CommandResult

MAX_BODY_BYTES = 48 * 1024 * 1024
"""A file of 36 MiB; base64 makes a third more of it."""
SMALL_BODY_BYTES = 1024 * 1024
MOST_LARGE_BODIES = 1
BODY_SECONDS = 120.0
LINES = "application/x-ndjson"
PIECE_BYTES = 48 * 1024
WRITE_SECONDS = 60.0
"""So long may a listener read nothing while the command has something to say."""
STATUS = {0: 200, 2: 400}
FAILED = 409


class CommandApi:
    """`GET /api/v1/commands`, `POST /api/v1/commands/{command}`, `GET /openapi.json`."""

    def __init__(self, commands: Commands, sign_in: SignIn) -> None:
        self._commands, self._sign_in = commands, sign_in
        self._large = asyncio.Semaphore(MOST_LARGE_BODIES)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/commands", self._list),
            web.post("/api/v1/commands/{command:[a-z/-]{1,60}}", self._run),
            web.get("/openapi.json", self._openapi),
        ]

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(document(self._commands.served))

    async def _list(self, request: web.Request) -> web.Response:
        await self._sign_in.by_header(request, "console commands")
        return web.json_response({"commands": self._commands.listed()})

    async def _run(self, request: web.Request) -> web.StreamResponse:
        command = request.match_info["command"].replace("/", " ")
        caller = Caller(*await self._sign_in.by_header(request, command))
        given = await self._parameters(request)
        if LINES in request.headers.get("Accept", ""):
            return await self._line_by_line(request, command, given, caller)
        result, made = await self._commands.in_one_piece(command, given, caller)
        return _answer(result, made)

    async def _parameters(self, request: web.Request) -> dict[str, Any]:
        """The body's object. Refuses what is none (400, 415), larger than 48 MiB (413), or takes longer than 2 min (408)."""
        if request.content_type != "application/json":
            raise Refused(415, "parameters are JSON", "send Content-Type: application/json", reason="content_type")
        length = request.content_length
        if length is not None and length > MAX_BODY_BYTES:
            raise _too_large()
        if length is not None and length <= SMALL_BODY_BYTES:
            return await _object(request)
        if self._large.locked():
            raise Refused(
                503, "others are sending large files now", "try again", reason="busy", retry_after=BODY_SECONDS / 4
            )
        async with self._large:
            return await _object(request)

    async def _line_by_line(
        self, request: web.Request, command: str, given: Mapping[str, Any], caller: Caller
    ) -> web.StreamResponse:
        async with self._commands.under_way(command, given, caller) as under_way:
            response = web.StreamResponse(headers={"Content-Type": LINES, "X-Accel-Buffering": "no"})
            await response.prepare(request)
            async for line in _lines(under_way):
                await _write(request, response, line)
            await response.write_eof()
            return response


async def _write(request: web.Request, response: web.StreamResponse, line: dict[str, Any]) -> None:
    """Raises ConnectionError where nobody reads any more: there is no other answer then."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await response.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the listener reads nothing") from None


async def _lines(under_way: UnderWay) -> AsyncIterator[dict[str, Any]]:
    async for said in under_way.said():
        yield {said.stream: said.text} if said else {"alive": True}
    for line in _made(under_way.scratch):
        yield line
    yield _ended(under_way.ended)


def _made(scratch: Scratch) -> Iterator[dict[str, Any]]:
    for name, path in scratch.made():
        with path.open("rb") as file:
            piece = file.read(PIECE_BYTES)
            yield {"file": name, "base64": b64encode(piece).decode()}
            while piece := file.read(PIECE_BYTES):
                yield {"file": name, "base64": b64encode(piece).decode()}


def _ended(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = {"exit": ended.exit_code}
    if ended.refused:
        found["refused"] = True
    if ended.question:
        found["question"] = ended.question
    return found


def _answer(result: CommandResult, made: Mapping[str, bytes]) -> web.Response:
    """The command's object; where it has none, what was wrong."""
    status = 403 if result.refused else STATUS.get(result.exit_code, FAILED)
    body = dict(result.object) if result.object is not None else {}
    if result.exit_code and result.object is None:
        what = result.what or result.stderr.strip().rpartition("\n")[2] or f"exit code {result.exit_code}"
        body = {"error": what, "cure": result.cure, "stderr": result.stderr, "exit": result.exit_code}
    if result.question:
        body["question"] = result.question
    if made:
        body["files"] = {name: b64encode(content).decode() for name, content in made.items()}
    return web.json_response(body, status=status, headers={"X-Exit-Code": str(result.exit_code)})


async def _object(request: web.Request) -> dict[str, Any]:
    pieces, size = list[bytes](), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.content.iter_chunked(64 * 1024):
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    raise _too_large()
                pieces.append(piece)
    except TimeoutError:
        raise Refused(408, "the body took too long", "send it faster", reason="slow_body") from None
    body = b"".join(pieces)
    try:
        found = await asyncio.to_thread(json.loads, body) if body else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(400, "the body is no JSON object", "send the parameters by their names", reason="wrong_use")
    return found


def _too_large() -> Refused:
    return Refused(413, "the body is larger than 48 MiB", "send the files in parts", reason="too_large")
