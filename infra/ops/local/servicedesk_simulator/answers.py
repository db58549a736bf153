"""What the REST API says: results, refusals with ServiceDesk Plus's codes, and the envelope around them."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from infra.ops.local.http_server import json_answer
from infra.ops.local.servicedesk_simulator.settings import Quirks

SUCCESS = 2000
FAILED = 4000
MEDIA_TYPE = "application/vnd.manageengine.sdp.v3+json"
LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>ManageEngine ServiceDesk Plus</title></head><body>"
    '<form id="login" action="j_security_check" method="post"><input name="j_username"><input name="j_password" type="password">'
    "</form></body></html>"
)
GARBAGE = '{"response_status":{"status_code":2000,"sta\x00\x7f<html>502</'


class Refusal(Exception):
    """A call that the desk refuses: the HTTP status, ServiceDesk Plus's own code and what was wrong."""

    def __init__(
        self, status: int, code: int, message: str, *, about: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.about = about
        self.retry_after = retry_after


def invalid(message: str, field_name: str = "") -> Refusal:
    """4001: a value, or the form of the whole call, is not accepted."""
    return Refusal(400, 4001, message, about=field_name)


def missing(field_name: str) -> Refusal:
    """4012: a mandatory field has no value."""
    return Refusal(400, 4012, f"Value for mandatory field {field_name} is missing", about=field_name)


def not_found() -> Refusal:
    """4007: no such path, request or note, or it was deleted."""
    return Refusal(404, 4007, "Invalid URL or resource not found")


def bad_key() -> Refusal:
    """4022: the key or token isn't valid."""
    return Refusal(401, 4022, "Unauthorised")


def too_many(retry_after: int | None) -> Refusal:
    """4015: the desk's rate limit."""
    return Refusal(
        429, 4015, "Maximum access limit reached for this API. Try after some time.", retry_after=retry_after
    )


@dataclass(frozen=True, slots=True)
class Result:
    """A successful answer: its fields beside `response_status`; `is_list` decides the envelope's usual form."""

    fields: dict[str, Any] = field(default_factory=dict)
    is_list: bool = False
    status: int = 200


def envelope(quirks: Quirks, status: dict[str, Any], *, is_list: bool) -> dict[str, Any]:
    """`response_status` as an object or an array, as the desk does it."""
    as_array = quirks.response_status == "array" or (quirks.response_status == "usual" and is_list)
    return {"response_status": [status] if as_array else status}


def success(quirks: Quirks, result: Result) -> web.Response:
    """The answer to a call that went well."""
    status = {"status_code": SUCCESS, "status": "success"}
    return json_answer(envelope(quirks, status, is_list=result.is_list) | result.fields, result.status)


def refused(quirks: Quirks, refusal: Refusal) -> web.Response:
    """The answer to a call that was refused; HTTP 200 on a desk with that quirk."""
    message = {"status_code": refusal.code, "message": refusal.message, "type": "failed"}
    if refusal.about:
        message["field"] = refusal.about
    status = {"status_code": FAILED, "messages": [message], "status": "failed"}
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    http_status = 200 if quirks.failures_inside_200 else refusal.status
    return json_answer(envelope(quirks, status, is_list=False), http_status, headers)
