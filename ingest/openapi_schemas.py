"""The tables behind `/openapi.json`: what bodies, answers and parameters look like."""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
MAYBE_TEXT: dict[str, Any] = {"type": ["string", "null"]}
TIME: dict[str, Any] = {"type": "string", "format": "date-time"}
UUID: dict[str, Any] = {"type": "string", "format": "uuid"}
TICKET_ID: dict[str, Any] = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
RATING: dict[str, Any] = {"type": ["integer", "null"], "minimum": 1, "maximum": 5}
MINUTES: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0, "maximum": 1440}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
FEEDBACK_TYPE: dict[str, Any] = {"type": "string", "enum": ["thumbs_up", "thumbs_down", "rating"]}
NAMED: dict[str, Any] = {
    "description": "A text, or an object with a name.",
    "anyOf": [MAYBE_TEXT, {"type": "integer"}, {"type": "object", "properties": {"name": TEXT}}],
}
DESK_TIME: dict[str, Any] = {
    "description": "Milliseconds since 1970 (alone or as `value` of an object), or ISO 8601.",
    "anyOf": [MAYBE_TEXT, {"type": "integer"}, {"type": "object", "properties": {"value": TEXT}}],
}
OPERATION: dict[str, Any] = {
    "type": ["string", "null"],
    "description": "created, updated or closed; worked out from status and times when left out.",
}


def _object(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "object", "properties": properties}
    return described | {"required": list(required)} if required else described


_DESCRIBED = {
    "subject": TEXT,
    "description": {**MAYBE_TEXT, "description": "HTML or text; kept as text of at most 64 KiB."},
    "site": NAMED,
    "end_customer": NAMED,
    "category": NAMED,
    "priority": NAMED,
    "status": NAMED,
    "resolution": {"anyOf": [MAYBE_TEXT, _object({"content": MAYBE_TEXT})]},
    "created_time": DESK_TIME,
}
_REQUEST = _object(
    {
        "id": {"anyOf": [TICKET_ID, {"type": "integer"}]},
        **_DESCRIBED,
        "requester": {"anyOf": [MAYBE_TEXT, _object({"id": NAMED, "name": MAYBE_TEXT, "email_id": MAYBE_TEXT})]},
        "account": NAMED,
        "udf_fields": {"type": ["object", "null"]},
        "last_updated_time": DESK_TIME,
    },
    ("id", "subject"),
)
_FLAT = _object(
    {
        "ticket_id": {"anyOf": [TICKET_ID, {"type": "integer"}]},
        "operation": OPERATION,
        **_DESCRIBED,
        "requester_name": MAYBE_TEXT,
        "requester_email": MAYBE_TEXT,
        "updated_time": DESK_TIME,
    },
    ("ticket_id", "subject"),
)
_OPINION = {
    "feedback_type": FEEDBACK_TYPE,
    "rating": RATING,
    "comment": {**MAYBE_TEXT, "maxLength": 4000},
    "submitted_by": {**MAYBE_TEXT, "maxLength": 200, "description": "Left out by who wants to stay anonymous."},
    "minutes_saved": MINUTES,
}

SCHEMAS: dict[str, Any] = {
    "Error": _object({"error": TEXT, "field": {**TEXT, "description": "Path of the wrong field."}}, ("error",)),
    "Queued": _object({"event_id": UUID, "status": {"const": "queued"}}, ("event_id", "status")),
    "Duplicate": _object({"event_id": UUID, "status": {"const": "duplicate"}}, ("event_id", "status")),
    "Webhook": {
        "description": "ServiceDesk Plus's v3 form, or the flat template. Other fields are ignored.",
        "anyOf": [_object({"request": _REQUEST, "operation": OPERATION, "event": OPERATION}, ("request",)), _FLAT],
    },
    "Feedback": {
        **_object({"ticket_id": TICKET_ID, "tenant_id": TEXT, "enhancement_id": UUID, **_OPINION}, ("ticket_id",)),
        "description": "feedback_type may be left out when a rating is given; type rating needs one.",
        "anyOf": [{"required": ["feedback_type"]}, {"required": ["rating"]}],
    },
    "FeedbackForm": _object(
        {"thumb": {"enum": ["up", "down"]}, "rating": TEXT, "minutes_saved": TEXT, "comment": TEXT, "name": TEXT}
    ),
    "FeedbackList": _object(
        {
            "feedback": {
                "type": "array",
                "items": _object(
                    {
                        "ticket_id": TICKET_ID,
                        "rating": RATING,
                        "feedback_type": FEEDBACK_TYPE,
                        "comment": MAYBE_TEXT,
                        "submitted_at": TIME,
                    },
                    ("ticket_id", "rating", "feedback_type", "comment", "submitted_at"),
                ),
            },
            "next_cursor": {
                **MAYBE_TEXT,
                "description": "For the next page; null with the last. Also as a Link header.",
            },
        },
        ("feedback", "next_cursor"),
    ),
    "FeedbackStats": _object(
        {
            "total": COUNT,
            "average_rating": {"type": ["number", "null"], "minimum": 1, "maximum": 5},
            "thumbs_up": COUNT,
            "thumbs_down": COUNT,
        },
        ("total", "average_rating", "thumbs_up", "thumbs_down"),
    ),
    "Keys": _object(
        {
            "keys": {
                "type": "array",
                "items": _object(
                    {
                        "key_id": TEXT,
                        "service": TEXT,
                        "topics": {"type": "array", "items": TEXT},
                        "public_key": {**TEXT, "description": "Ed25519, 32 bytes in base64."},
                        "not_before": TIME,
                        "not_after": {"type": ["string", "null"], "format": "date-time"},
                        "revoked_at": {"type": ["string", "null"], "format": "date-time"},
                    },
                    ("key_id", "service", "topics", "public_key", "not_before", "not_after"),
                ),
            }
        },
        ("keys",),
    ),
    "Page": {"type": "string", "description": "HTML."},
    "Document": {"type": "object"},
}


def _parameter(name: str, place: str, schema: dict[str, Any], text: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema, "description": text}


DATE: dict[str, Any] = {"anyOf": [{"type": "string", "format": "date"}, TIME]}
PARAMETERS: dict[str, Any] = {
    "path_tenant_id": _parameter("tenant_id", "path", TEXT, "The tenant.", required=True),
    "token": _parameter("token", "path", TEXT, "From the link in the note.", required=True),
    "webhook-id": _parameter(
        "webhook-id", "header", {"type": "string", "maxLength": 256}, "The same in every retry.", required=True
    ),
    "webhook-timestamp": _parameter(
        "webhook-timestamp", "header", {"type": "integer"}, "Seconds since 1970, within 300 s of now.", required=True
    ),
    "webhook-signature": _parameter(
        "webhook-signature",
        "header",
        {"type": "string", "maxLength": 2048},
        "`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`; several are separated by spaces.",
        required=True,
    ),
    "Idempotency-Key": _parameter(
        "Idempotency-Key", "header", {"type": "string", "maxLength": 256}, "The same key is the same answer."
    ),
    "tenant_id": _parameter("tenant_id", "query", TEXT, "Must be the token's own."),
    "ticket_id": _parameter("ticket_id", "query", TICKET_ID, "Only this ticket's."),
    "start_date": _parameter("start_date", "query", DATE, "From this date or time on (UTC)."),
    "end_date": _parameter("end_date", "query", DATE, "To this date, the whole day included, or to before this time."),
    "limit": _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 500}, "500 if left out."),
    "cursor": _parameter(
        "cursor", "query", {"type": "string", "maxLength": 43}, "next_cursor of the page before, with the same filters."
    ),
}
SECURITY: dict[str, Any] = {"bearer": {"type": "http", "scheme": "bearer", "description": "A token `tst_…`."}}
