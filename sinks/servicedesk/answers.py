"""What a desk's answer means. The HTTP status alone doesn't tell: failures come inside a 200, `response_status` is an object or
an array, and a proxy may answer in the desk's place. Source: ServiceDesk Plus REST API v3, "Status codes"; RFC 9110, 10.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from schemas.reasons import Reason
from sinks.servicedesk.transport import Answered
from sinks.servicedesk.types import Refused, Unknown

SUCCESS, FAILED = 2000, 4000
BAD_KEY, RATE_LIMIT, NOT_FOUND, NOT_PERMITTED, INTERNAL_ERROR, LICENCE = 4022, 4015, 4007, 4002, 4004, 7001
# Where an answer names several codes the first of these decides.
_DECIDING = (BAD_KEY, RATE_LIMIT, INTERNAL_ERROR, LICENCE, NOT_PERMITTED, NOT_FOUND)

# Where the code says no more than that it failed, these HTTP statuses do.
_TELLING_MORE = (401, 403, 404, 408)

RETRY_AFTER_RATE_LIMIT = 60.0
MIN_RETRY_AFTER, MAX_RETRY_AFTER = 1.0, 3600.0
MAX_DETAIL_CHARS = 300
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Success:
    """The fields beside `response_status`."""

    fields: Mapping[str, Any]


def read_answer(answer: Answered, *, now: datetime) -> Success | Refused | Unknown:
    """Success only if the body says so. What nobody can understand is `Unknown`: a write may have happened behind it."""
    body = _object(answer.body)
    statuses = [] if body is None else _statuses(body)
    codes = [code for status in statuses for code in _codes(status)]
    failed = [code for code in codes if code != SUCCESS]
    if body is not None and statuses and not failed and SUCCESS in codes and answer.status < 300:
        return Success({name: value for name, value in body.items() if name != "response_status"})
    message = _message(statuses)
    code = next((code for code in _DECIDING if code in failed), failed[-1] if failed else None)
    if code is not None:
        return _by_code(code, answer, message, now)
    return _without_code(answer, message, now)


def retry_after_seconds(text: str | None, *, now: datetime) -> float | None:
    """A Retry-After header, seconds or an HTTP date, as 1-3600 seconds; None if there is none or it makes no sense."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])
    else:
        try:
            at = parsedate_to_datetime(text)
            seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(MAX_RETRY_AFTER, max(MIN_RETRY_AFTER, seconds))


def _by_code(code: int, answer: Answered, message: str, now: datetime) -> Refused | Unknown:
    detail = f"the desk says {code}{message}"
    if code == BAD_KEY:
        return Refused(Reason.DESK_CREDENTIAL_REFUSED, detail, code=code)
    if code == RATE_LIMIT or answer.status == 429:
        return _rate_limited(answer, detail, now, code)
    if code == INTERNAL_ERROR or answer.status >= 500:
        return Unknown(detail)
    if code == LICENCE:
        return Refused(Reason.DESK_UNAVAILABLE, f"{detail} (licence)", code=code)
    if code == NOT_PERMITTED:
        return Refused(Reason.DESK_CREDENTIAL_REFUSED, detail, code=code, ticket_only=True)
    if code == NOT_FOUND:
        return Refused(Reason.TICKET_DELETED, detail, code=code)
    if code == FAILED and answer.status in _TELLING_MORE:
        return _by_status(answer, f"HTTP {answer.status}, and {detail}", now)
    return Refused(Reason.DESK_REFUSED, detail, code=code)


def _without_code(answer: Answered, message: str, now: datetime) -> Refused | Unknown:
    """The desk's own words are missing: something before it answered, or it is no ServiceDesk Plus."""
    content = answer.content_type or "no content type"
    return _by_status(answer, f"HTTP {answer.status} ({content}) without a response_status of the desk{message}", now)


def _by_status(answer: Answered, detail: str, now: datetime) -> Refused | Unknown:
    status = answer.status
    if status == 401:
        return Refused(Reason.DESK_CREDENTIAL_REFUSED, detail)
    if status == 403:
        return Refused(Reason.DESK_CREDENTIAL_REFUSED, detail, ticket_only=True)
    if status == 429:
        return _rate_limited(answer, detail, now, None)
    if status in (404, 405, 407):
        # Not the desk's 4007: dropping tickets as deleted because of a wrong URL would lose their notes.
        return Refused(Reason.DESK_UNAVAILABLE, f"{detail}: is servicedesk_base_url right?")
    if 400 <= status < 500 and status != 408:
        return Refused(Reason.DESK_REFUSED, detail)
    return Unknown(detail)


def _rate_limited(answer: Answered, detail: str, now: datetime, code: int | None) -> Refused:
    wait = retry_after_seconds(answer.retry_after, now=now)
    return Refused(Reason.DESK_RATE_LIMITED, detail, RETRY_AFTER_RATE_LIMIT if wait is None else wait, code)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _statuses(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    value = body.get("response_status")
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    return [status for status in values if isinstance(status, dict)]


def _codes(status: Mapping[str, Any]) -> Iterator[int]:
    """All codes in one status, those of its messages last. A status that only says failed counts as 4000; messages beside a
    success are warnings."""
    own, word = _code(status), status.get("status")
    succeeded = word is None or str(word).strip().casefold() == "success"
    if own == SUCCESS and succeeded:
        yield SUCCESS
        return
    if not succeeded:
        yield FAILED
    for code in (own, *(_code(message) for message in _messages(status))):
        if code is not None:
            yield code


def _code(part: Mapping[str, Any]) -> int | None:
    code = part.get("status_code")
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    return int(code) if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 6 else None


def _messages(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = status.get("messages")
    return [message for message in messages if isinstance(message, dict)] if isinstance(messages, list) else []


def _message(statuses: Sequence[Mapping[str, Any]]) -> str:
    """What the desk wrote for people, cut and made safe for a log line; empty if it wrote nothing."""
    texts: list[str] = []
    for message in [message for status in statuses for message in _messages(status)][:5]:
        about = message.get("field")
        texts.append(f"{about}: {message.get('message')}" if about else str(message.get("message")))
    text = _UNPRINTABLE.sub(" ", "; ".join(texts))[:MAX_DETAIL_CHARS]
    return f": {text}" if text else ""
