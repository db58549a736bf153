"""The control routes under `/_simulator/`: JSON in, JSON out, for tests and the demo in other processes."""

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from infra.ops.local.http_server import json_answer, read_model
from infra.ops.local.servicedesk_simulator.answers import Refusal
from infra.ops.local.servicedesk_simulator.settings import DESK_NAME, DeskSettings, FaultList
from infra.ops.local.servicedesk_simulator.state import Desk, Fields, WrittenNote

if TYPE_CHECKING:
    from infra.ops.local.servicedesk_simulator.server import Simulator

PREFIX = "_simulator"


class RequestFields(BaseModel):
    """The body that creates or changes a request: fields as the v3 API has them."""

    model_config = ConfigDict(extra="forbid")
    request: dict[str, Any]


class Solutions(BaseModel):
    """The body that replaces a desk's solutions."""

    model_config = ConfigDict(extra="forbid")
    solutions: list[dict[str, Any]]


class ControlApi:
    """The handlers of the control routes."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def routes(self) -> list[web.RouteDef]:
        """All control routes."""
        desk = f"/{PREFIX}/desks/{{desk}}"
        one = desk + "/requests/{request_id}"
        return [
            web.get(f"/{PREFIX}/health", self._health),
            web.post(f"/{PREFIX}/reset", self._reset),
            web.get(f"/{PREFIX}/notes", self._notes),
            web.get(f"/{PREFIX}/calls", self._calls),
            web.delete(f"/{PREFIX}/faults", self._clear_all_faults),
            web.get(f"/{PREFIX}/desks", self._desks),
            web.put(desk, self._put_desk),
            web.get(desk, self._get_desk),
            web.delete(desk, self._remove_desk),
            web.put(desk + "/solutions", self._put_solutions),
            web.get(desk + "/requests", self._requests),
            web.post(desk + "/requests", self._create_request),
            web.patch(one, self._update_request),
            web.delete(one, self._delete_request),
            web.get(desk + "/notes", self._notes),
            web.get(desk + "/calls", self._calls),
            web.get(desk + "/webhooks", self._webhooks),
            web.get(desk + "/faults", self._faults),
            web.post(desk + "/faults", self._set_faults),
            web.delete(desk + "/faults", self._clear_faults),
            web.post(desk + "/revoke-tokens", self._revoke_tokens),
        ]

    def _desk(self, request: web.Request) -> Desk:
        name = request.match_info["desk"]
        desk = self._simulator.state.desks.get(name)
        if desk is None:
            raise _refusal(404, f"no desk '{name}': create it with PUT /{PREFIX}/desks/{name}")
        return desk

    def _shown(self, desk: Desk) -> dict[str, Any]:
        return {
            "desk": desk.name,
            "url": self._simulator.url + desk.path(),
            "settings": desk.settings.model_dump(mode="json"),
            "requests": len(desk.requests),
            "notes": sum(map(len, desk.notes.values())),
        }

    async def _health(self, request: web.Request) -> web.Response:
        return json_answer({"status": "healthy", "desks": len(self._simulator.state.desks)})

    async def _reset(self, request: web.Request) -> web.Response:
        self._simulator.reset()
        return json_answer({})

    async def _desks(self, request: web.Request) -> web.Response:
        return json_answer({"desks": [self._shown(desk) for desk in self._simulator.state.desks.values()]})

    async def _put_desk(self, request: web.Request) -> web.Response:
        name = request.match_info["desk"]
        if not re.match(DESK_NAME, name):
            raise _refusal(422, "a desk's name is [A-Za-z0-9._-]{1,64}, not app, oauth or _simulator")
        settings = await read_model(request, DeskSettings)
        self._simulator.state.commit("desk", name, settings=settings.model_dump(mode="json"))
        return json_answer(self._shown(self._desk(request)))

    async def _get_desk(self, request: web.Request) -> web.Response:
        return json_answer(self._shown(self._desk(request)))

    async def _remove_desk(self, request: web.Request) -> web.Response:
        self._simulator.state.commit("desk_removed", self._desk(request).name)
        return json_answer({})

    async def _put_solutions(self, request: web.Request) -> web.Response:
        desk = self._desk(request)
        solutions = (await read_model(request, Solutions)).solutions
        numbered = [{"id": str(number)} | solution for number, solution in enumerate(solutions, 1)]
        self._simulator.state.commit("solutions", desk.name, solutions=numbered)
        return json_answer({"solutions": numbered})

    async def _requests(self, request: web.Request) -> web.Response:
        return json_answer({"requests": list(self._desk(request).requests.values())})

    async def _create_request(self, request: web.Request) -> web.Response:
        fields = (await read_model(request, RequestFields)).request
        return self._request_answer(lambda: self._simulator.api.create(self._desk(request), fields))

    async def _update_request(self, request: web.Request) -> web.Response:
        fields = (await read_model(request, RequestFields)).request
        request_id = request.match_info["request_id"]
        return self._request_answer(lambda: self._simulator.api.update(self._desk(request), request_id, fields))

    async def _delete_request(self, request: web.Request) -> web.Response:
        desk, request_id = self._desk(request), request.match_info["request_id"]

        def delete() -> Fields:
            self._simulator.api.delete(desk, request_id)
            return {}

        return self._request_answer(delete)

    def _request_answer(self, act: Callable[[], Fields]) -> web.Response:
        try:
            return json_answer({"request": act()})
        except Refusal as refusal:
            raise _refusal(refusal.status, refusal.message) from None

    async def _notes(self, request: web.Request) -> web.Response:
        """The note ledger, from position `start`. It answers for a removed desk too."""
        desk, request_id = request.match_info.get("desk", ""), request.query.get("request_id", "")
        written = self._simulator.state.written
        start = _position(request.query.get("start", "0"))
        notes = [asdict(note) for note in written[start:] if _fits(note, desk, request_id)]
        return json_answer({"notes": notes, "next_start": len(written)})

    async def _calls(self, request: web.Request) -> web.Response:
        query = request.query
        desk = request.match_info.get("desk", "")
        found = self._simulator.ledger.as_json(desk, query.get("operation", ""), query.get("request_id", ""))
        return json_answer(found)

    async def _webhooks(self, request: web.Request) -> web.Response:
        return json_answer(self._simulator.webhooks.as_json(self._desk(request).name))

    async def _faults(self, request: web.Request) -> web.Response:
        return json_answer({"faults": self._simulator.faults_of(self._desk(request).name).as_json()})

    async def _set_faults(self, request: web.Request) -> web.Response:
        desk = self._desk(request)
        faults = (await read_model(request, FaultList)).faults
        try:
            self._simulator.faults_of(desk.name).set(faults)
        except ValueError as error:
            raise _refusal(422, str(error)) from None
        return await self._faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._simulator.faults_of(self._desk(request).name).clear()
        return json_answer({})

    async def _clear_all_faults(self, request: web.Request) -> web.Response:
        self._simulator.clear_faults()
        return json_answer({})

    async def _revoke_tokens(self, request: web.Request) -> web.Response:
        return json_answer({"revoked": self._simulator.tokens.revoke(self._desk(request))})


def _fits(note: WrittenNote, desk: str, request_id: str) -> bool:
    return (not desk or note.desk == desk) and (not request_id or note.request_id == request_id)


def _position(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _refusal(422, "start is a position in the ledger: use next_start of the last answer")
    return int(text)


def _refusal(status: int, message: str) -> web.HTTPException:
    kinds = {404: web.HTTPNotFound, 422: web.HTTPUnprocessableEntity}
    body = orjson.dumps({"error": message}).decode()
    return kinds.get(status, web.HTTPBadRequest)(text=body, content_type="application/json")
