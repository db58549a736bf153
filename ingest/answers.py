"""Answers to HTTP requests, and refusals as exceptions that carry theirs."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

JSON_TYPE = "application/json"
RETRY_SECONDS = 2


class Refused(Exception):
    """The request gets this answer. `reason` is a word for metrics and logs that the sender may not learn."""

    def __init__(self, status: int, error: str, *, reason: str, field: str | None = None, retry_after: int = 0) -> None:
        super().__init__(error)
        self.status, self.error, self.reason = status, error, reason
        self.field, self.retry_after = field, retry_after

    def response(self) -> web.Response:
        body = {"error": self.error} if self.field is None else {"error": self.error, "field": self.field}
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else None
        return json_answer(body, self.status, headers)


def unavailable(error: str, reason: str) -> Refused:
    """Something of ours is away: the same request will do later."""
    return Refused(503, error, reason=reason, retry_after=RETRY_SECONDS)


def invalid_signature(reason: str) -> Refused:
    """Alike to the byte, whatever the reason, so that nobody learns which tenants there are."""
    return Refused(403, "Invalid signature", reason=reason)


def wrong_field(field: str, error: str) -> Refused:
    return Refused(422, error, reason="schema", field=field)


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    answer = {"Content-Type": JSON_TYPE}
    if headers:
        answer.update(headers)
    return web.Response(body=orjson.dumps(body), status=status, headers=answer)
