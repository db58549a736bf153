"""`GET /openapi.json`: OpenAPI 3.1 of the public port, put together from a table of operations and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from aiohttp import web

from ingest.answers import JSON_TYPE
from ingest.openapi_schemas import PARAMETERS, SCHEMAS, SECURITY
from ingest.request_body import FORM_TYPE

HTML_TYPE = "text/html"
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
WITH_RETRY_AFTER = ("429", "503")

ERRORS = {
    "400": "What is wrong with the headers or the framing, or the body is not UTF-8 or not JSON.",
    "401": "No valid token.",
    "403": "The token lacks the scope, or is for another tenant.",
    "408": "The body took longer than 10 s.",
    "413": "The body is too large.",
    "415": "Wrong Content-Type, or any Content-Encoding.",
    "422": "A field is missing or wrong; `field` is its path.",
    "429": "Too many wrong tokens from this address, or requests for another tenant: wait. A token that is in use goes on.",
    "503": "Something of ours is away. The same request will do later.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `good` maps a status to the name of its schema; `bad` lists the statuses of refusals."""

    method: str
    path: str
    id: str
    summary: str
    good: Mapping[str, str]
    bad: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    body: str | None = None
    scope: str | None = None
    media_type: str = JSON_TYPE
    texts: Mapping[str, str] | None = None


WEBHOOK_TEXTS = {
    "202": "Kafka has acknowledged the event.",
    "200": "A copy of a webhook that was acknowledged lately; nothing was queued.",
    "403": "Unknown or disabled tenant, a timestamp more than 300 s off, or a wrong signature: alike to the byte. "
    "In bearer mode also an address that is not listed.",
    "422": "A field is missing or wrong (`field` is its path), or the webhook-id was used for another body.",
    "429": "The tenant is above its rate.",
    "503": "Not queued in time, or signatures can't be checked now. Send it again with the same webhook-id.",
}
FEEDBACK_FILTERS = ("tenant_id", "ticket_id", "start_date", "end_date")

OPERATIONS = (
    Operation(
        "post",
        "/api/v1/webhooks/{tenant_id}",
        "receiveWebhook",
        "Take a ticket's webhook, signed as Standard Webhooks 1.0; in bearer mode (Authorization: Bearer and the secret, no "
        "signature) with ticket_id, operation and updated_time only",
        {"202": "Queued", "200": "Duplicate"},
        ("400", "403", "408", "413", "415", "422", "429", "503"),
        ("path_tenant_id", "webhook-id", "webhook-timestamp", "webhook-signature"),
        body="Webhook",
        texts=WEBHOOK_TEXTS,
    ),
    Operation(
        "post",
        "/api/v1/feedback",
        "submitFeedback",
        "Give feedback on a note",
        {"202": "Queued"},
        ("400", "401", "403", "408", "413", "415", "422", "429", "503"),
        ("Idempotency-Key",),
        body="Feedback",
        scope="feedback:write",
    ),
    Operation(
        "get",
        "/api/v1/feedback",
        "listFeedback",
        "The tenant's feedback, newest first, a page at a time",
        {"200": "FeedbackList"},
        ("401", "403", "422", "429", "503"),
        (*FEEDBACK_FILTERS, "limit", "cursor"),
        scope="feedback:read",
    ),
    Operation(
        "get",
        "/api/v1/feedback/stats",
        "feedbackStats",
        "Counts and average of the tenant's feedback",
        {"200": "FeedbackStats"},
        ("401", "403", "422", "429", "503"),
        FEEDBACK_FILTERS,
        scope="feedback:read",
    ),
    Operation(
        "get",
        "/f/{token}",
        "showFeedbackPage",
        "The page behind a note's feedback link; changes nothing",
        {"200": "Page"},
        ("404",),
        ("token",),
        media_type=HTML_TYPE,
        texts={"404": "The link has expired or was not copied whole."},
    ),
    Operation(
        "post",
        "/f/{token}",
        "answerFeedbackPage",
        "Answer through a note's feedback link; the last answer per browser counts",
        {"200": "Page"},
        ("400", "404", "408", "413", "415", "422", "429", "503"),
        ("token",),
        body="FeedbackForm",
        media_type=HTML_TYPE,
        texts={"404": "The link has expired or was not copied whole.", "429": "The note has had 20 answers."},
    ),
    Operation("get", "/keys", "listKeys", "The public keys that events are signed with", {"200": "Keys"}, ("503",)),
    Operation("get", "/openapi.json", "openapi", "This document", {"200": "Document"}),
)


@cache
def document() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ticketstream",
            "version": "1",
            "summary": "Webhooks in, enhanced tickets out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, "parameters": PARAMETERS, "securitySchemes": SECURITY},
    }


async def get(_: web.Request) -> web.Response:
    return web.Response(body=_bytes(), content_type=JSON_TYPE)


@cache
def _bytes() -> bytes:
    return orjson.dumps(document())


def _described(operation: Operation) -> dict[str, Any]:
    texts = operation.texts or {}
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {status: _good(operation, status, schema, texts) for status, schema in operation.good.items()}
        | {status: _bad(operation, status, texts) for status in operation.bad},
        "security": [{"bearer": [operation.scope]}] if operation.scope else [],
    }
    if operation.parameters:
        described["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in operation.parameters]
    if operation.body:
        media_type = FORM_TYPE if operation.media_type == HTML_TYPE else JSON_TYPE
        described["requestBody"] = {"required": True, "content": {media_type: {"schema": _ref(operation.body)}}}
    return described


def _good(operation: Operation, status: str, schema: str, texts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "description": texts.get(status, operation.summary),
        "content": {operation.media_type: {"schema": _ref(schema)}},
    }


def _bad(operation: Operation, status: str, texts: Mapping[str, str]) -> dict[str, Any]:
    schema = "Page" if operation.media_type == HTML_TYPE else "Error"
    answer: dict[str, Any] = {
        "description": texts.get(status, ERRORS.get(status, "Refused.")),
        "content": {operation.media_type: {"schema": _ref(schema)}},
    }
    if status in WITH_RETRY_AFTER and not (status == "429" and schema == "Page"):
        answer["headers"] = RETRY_AFTER
    return answer


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
