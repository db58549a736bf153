"""The operations of the REST v3 API on one desk, without HTTP: a call in, a result or a Refusal out."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from infra.ops.local.servicedesk_simulator.answers import Refusal, Result, invalid, missing, not_found
from infra.ops.local.servicedesk_simulator.listing import page_of
from infra.ops.local.servicedesk_simulator.settings import Operation, WebhookCause
from infra.ops.local.servicedesk_simulator.state import Desk, Fields, State

ROUTES: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "/requests", "list_requests"),
    ("POST", "/requests", "add_request"),
    ("GET", "/requests/{request_id}", "get_request"),
    ("PUT", "/requests/{request_id}", "update_request"),
    ("DELETE", "/requests/{request_id}", "delete_request"),
    ("GET", "/requests/{request_id}/notes", "list_notes"),
    ("POST", "/requests/{request_id}/notes", "add_note"),
    ("GET", "/requests/{request_id}/notes/{item_id}", "get_note"),
    ("GET", "/solutions", "list_solutions"),
    ("GET", "/solutions/{item_id}", "get_solution"),
)
NAMED_FIELDS = (
    "requester",
    "technician",
    "site",
    "account",
    "category",
    "subcategory",
    "priority",
    "status",
    "group",
    "urgency",
)
LIST_OMITS = frozenset({"description", "resolution", "attachments"})
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")

Report = Callable[[Desk, WebhookCause, Fields], None]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call: the ids in its path and its `input_data`."""

    desk: Desk
    request_id: str = ""
    item_id: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class RestApi:
    """The operations. `clock` gives seconds since 1970; `report` is told of each change for the desk's webhook."""

    def __init__(self, state: State, clock: Callable[[], float], report: Report) -> None:
        self._state = state
        self._clock = clock
        self._report = report
        self._operations: dict[Operation, Callable[[ApiCall], Result]] = {
            "list_requests": self._list_requests,
            "add_request": self._add_request,
            "get_request": self._get_request,
            "update_request": self._update_request,
            "delete_request": self._delete_request,
            "list_notes": self._list_notes,
            "add_note": self._add_note,
            "get_note": self._get_note,
            "list_solutions": self._list_solutions,
            "get_solution": self._get_solution,
        }

    def perform(self, operation: Operation, call: ApiCall) -> Result:
        """Do what is asked. Raises Refusal."""
        return self._operations[operation](call)

    def create(self, desk: Desk, fields: Fields) -> Fields:
        """A new request, with an id or times of the caller's choice if `fields` has them. Raises Refusal."""
        now = self._time()
        identifier = str(fields.get("id") or desk.next_id())
        if not IDENTIFIER.fullmatch(identifier):
            raise invalid("id is not [A-Za-z0-9._-]{1,64}", "id")
        if identifier in desk.requests:
            raise Refusal(400, 4008, "Value for id is not unique", about="id")
        defaults = {"description": "", "status": {"name": "Open"}, "created_time": now, "last_updated_time": now}
        request = defaults | _normal(fields) | {"id": identifier}
        if not str(request.get("subject") or "").strip():
            raise missing("subject")
        self._save(desk, request, "request_created")
        return request

    def update(self, desk: Desk, request_id: str, fields: Fields) -> Fields:
        """Change fields of a request. Raises Refusal."""
        request = (
            _request(desk, request_id) | {"last_updated_time": self._time()} | _normal(fields) | {"id": request_id}
        )
        self._save(desk, request, "request_updated")
        return request

    def delete(self, desk: Desk, request_id: str) -> None:
        """Delete a request and its notes; the ledger keeps them. Raises Refusal."""
        _request(desk, request_id)
        self._state.commit("request_deleted", desk.name, request_id=request_id)

    def _save(self, desk: Desk, request: Fields, cause: WebhookCause) -> None:
        self._state.commit("request", desk.name, request=request)
        self._report(desk, cause, request)

    def _time(self) -> dict[str, str]:
        now = self._clock()
        shown = datetime.fromtimestamp(now, UTC).strftime("%b %d, %Y %I:%M %p")
        return {"display_value": shown, "value": str(int(now * 1000))}

    def _list_requests(self, call: ApiCall) -> Result:
        page = page_of(call.desk.requests.values(), _list_info(call))
        wanted = _fields_required(call)
        rows = [_only(row, wanted) if wanted else _without(row, LIST_OMITS) for row in page.rows]
        return Result({"list_info": page.list_info, "requests": rows}, is_list=True)

    def _add_request(self, call: ApiCall) -> Result:
        fields = _object(call.data, "request")
        return Result({"request": self.create(call.desk, _without(fields, frozenset({"id"})))}, status=201)

    def _get_request(self, call: ApiCall) -> Result:
        return Result({"request": _request(call.desk, call.request_id)})

    def _update_request(self, call: ApiCall) -> Result:
        return Result({"request": self.update(call.desk, call.request_id, _object(call.data, "request"))})

    def _delete_request(self, call: ApiCall) -> Result:
        self.delete(call.desk, call.request_id)
        return Result()

    def _list_notes(self, call: ApiCall) -> Result:
        _request(call.desk, call.request_id)
        quirks = call.desk.settings.quirks
        page = page_of(call.desk.notes.get(call.request_id, {}).values(), _list_info(call))
        wanted = _fields_required(call)
        omits = frozenset({"description"}) if quirks.note_list_omits_description else frozenset[str]()
        rows = [_only(row, wanted) if wanted else _without(row, omits) for row in page.rows]
        return Result({"list_info": page.list_info, _note_key(call.desk) + "s": rows}, is_list=True)

    def _add_note(self, call: ApiCall) -> Result:
        desk = call.desk
        request = _request(desk, call.request_id)
        key = _note_key(desk)
        fields = _object(call.data, key)
        description = fields.get("description")
        if not isinstance(description, str) or not description.strip():
            raise missing("description")
        shown = fields.get("show_to_requester", False)
        if not isinstance(shown, bool):
            raise Refusal(400, 4021, "show_to_requester is no boolean", about="show_to_requester")
        if desk.settings.quirks.strips_html_comments:
            description = COMMENT.sub("", description)
        note = {
            "id": desk.next_id(),
            "description": description,
            "show_to_requester": shown,
            "added_time": self._time(),
            "added_by": {"name": "API technician"},
            "request": {"id": call.request_id},
        }
        self._state.commit("note", desk.name, request_id=call.request_id, note=note, at=self._clock())
        if desk.settings.quirks.note_changes_updated_time:
            request = request | {"last_updated_time": self._time()}
            self._state.commit("request", desk.name, request=request)
        self._report(desk, "note_added", request)
        return Result({key: note}, status=201)

    def _get_note(self, call: ApiCall) -> Result:
        note = call.desk.notes.get(call.request_id, {}).get(call.item_id)
        if note is None:
            raise not_found()
        return Result({_note_key(call.desk): note})

    def _list_solutions(self, call: ApiCall) -> Result:
        page = page_of(call.desk.solutions, _list_info(call))
        return Result({"list_info": page.list_info, "solutions": page.rows}, is_list=True)

    def _get_solution(self, call: ApiCall) -> Result:
        for solution in call.desk.solutions:
            if solution.get("id") == call.item_id:
                return Result({"solution": solution})
        raise not_found()


def _request(desk: Desk, request_id: str) -> Fields:
    request = desk.requests.get(request_id)
    if request is None:
        raise not_found()
    return request


def _note_key(desk: Desk) -> str:
    return "request_note" if desk.settings.kind == "cloud" else "note"


def _object(data: Mapping[str, Any], key: str) -> Fields:
    fields = data.get(key)
    if fields is None:
        raise missing(key)
    if not isinstance(fields, dict):
        raise Refusal(400, 4021, f"{key} is no object", about=key)
    return fields


def _normal(fields: Fields) -> Fields:
    """Fields as the API shows them: `"site": "Oslo"` becomes an object with a name, a time in ms one with a value."""
    shown = dict(fields)
    for name, value in fields.items():
        if name in NAMED_FIELDS and isinstance(value, str):
            shown[name] = {"name": value}
        elif name.endswith("_time") and isinstance(value, int | str):
            shown[name] = {"value": str(value)}
    return shown


def _list_info(call: ApiCall) -> Any:
    return call.data.get("list_info", {})


def _fields_required(call: ApiCall) -> frozenset[str]:
    """The fields a list is asked for, found beside `list_info` or in it; none on a desk that ignores the question."""
    if call.desk.settings.quirks.fields_required_ignored:
        return frozenset()
    info = _list_info(call)
    wanted = call.data.get("fields_required") or (info.get("fields_required") if isinstance(info, Mapping) else None)
    if wanted is None:
        return frozenset()
    if not isinstance(wanted, list):
        raise invalid("fields_required is no array", "fields_required")
    return frozenset(str(name) for name in wanted)


def _only(record: Mapping[str, Any], names: frozenset[str]) -> Fields:
    return {name: value for name, value in record.items() if name in names or name == "id"}


def _without(record: Mapping[str, Any], names: frozenset[str]) -> Fields:
    return {name: value for name, value in record.items() if name not in names}
