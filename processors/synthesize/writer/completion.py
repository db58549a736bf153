"""What came of a model call: the answer's text and usage, or which of the failures of `Writer` an error is.

Status codes as OpenRouter uses them (openrouter.ai/docs, "Errors"): 402 no credit, 403 the input was flagged, 408 and 5xx the
provider failed, 429 too many requests. Errors also come in an answer with status 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf, isfinite, nan
from typing import Any

from processors.synthesize.writer.writer import WriterRefused, WriterUnavailable
from schemas.events import Usage
from schemas.reasons import Reason

RETRY_AFTER = 5.0
RETRY_AFTER_LIMIT = 10.0
LONGEST_RETRY_AFTER = 300.0
MOST_TOKENS = 2**31 - 1
MOST_COST_USD = 1_000.0
_REFUSALS = {
    400: "it refused the request (400), perhaps since it is too long for the model",
    401: "the provider refuses the API key (401): renew OPENROUTER_API_KEY",
    402: "the account at the provider is out of credit (402)",
    403: "the provider flagged the input (403)",
    404: "no endpoint serves this model without keeping data (404): set another",
    413: "the prompt is too long (413)",
    422: "it can't process the request (422)",
}
_EVERY_TASK = frozenset({401, 402, 404})
"""Refusals that the next ticket would meet as well."""


@dataclass(frozen=True, slots=True)
class Completion:
    text: str
    usage: Usage
    cut_off: bool


def read(response: Any) -> Completion | WriterUnavailable:
    """The text of a response; one without text is the provider's failure, though its status is 200.

    The text can be written as UTF-8: JSON may hold half of a surrogate pair (RFC 8259, 8.2), which becomes `?`."""
    choices: Any = getattr(response, "choices", None)
    message = getattr(choices[0], "message", None) if choices else None
    text = getattr(message, "content", None)
    if not isinstance(text, str) or not text.strip():
        return WriterUnavailable(Reason.MODEL_UNAVAILABLE, RETRY_AFTER, "the answer was empty")
    cut_off = getattr(choices[0], "finish_reason", None) == "length"
    if cut_off and "\n" in text:
        text = text.rsplit("\n", 1)[0]  # the last line is a fragment
    return Completion(text.encode(errors="replace").decode(), usage(response), cut_off)


def usage(response: Any) -> Usage:
    """Tokens as they fit PostgreSQL's integer, and the cost in US dollars where the provider says it."""
    found = getattr(response, "usage", None)
    return Usage(
        prompt_tokens=_count(getattr(found, "prompt_tokens", 0)),
        completion_tokens=_count(getattr(found, "completion_tokens", 0)),
        cost_usd=_cost(getattr(found, "cost", None)),
    )


def failure(error: Exception) -> WriterUnavailable | WriterRefused:
    """The error by its status. Its text is left out: it may repeat the prompt."""
    status = getattr(error, "status_code", None)
    if status == 429:
        wait = retry_after(getattr(error, "litellm_response_headers", None), RETRY_AFTER_LIMIT)
        return WriterUnavailable(Reason.MODEL_RATE_LIMITED, wait, "too many requests (429)")
    if status in _REFUSALS:
        return WriterRefused(_REFUSALS[status], every_task=status in _EVERY_TASK)
    wait = retry_after(getattr(error, "litellm_response_headers", None), RETRY_AFTER)
    what = "an answer that makes no sense" if status == 200 else f"{type(error).__name__} ({status})"
    return WriterUnavailable(Reason.MODEL_UNAVAILABLE, wait, what)


def retry_after(headers: Mapping[str, str] | None, otherwise: float) -> float:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), 1 to 300; `otherwise` if there is none or it makes no
    sense. A date is held against the answer's own Date, if there is one, since clocks differ."""
    named = {name.lower(): value for name, value in (headers or {}).items()}
    value = named.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, named.get("date", ""))
    return min(max(seconds, 1.0), LONGEST_RETRY_AFTER) if isfinite(seconds) else otherwise


def _until(date: str, answered: str) -> float:
    """Seconds from one HTTP date to the other; not a number if the first is none."""
    at, start = _http_date(date), _http_date(answered)
    return nan if at is None else (at - (start or datetime.now(UTC))).total_seconds()


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _count(value: object) -> int:
    return min(max(0, value), MOST_TOKENS) if isinstance(value, int) else 0


def _cost(value: object) -> float | None:
    """None also for what is no amount of money; an integer may be too long for a float, so it is bounded first."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0 or value == inf:
        return None
    return float(min(value, MOST_COST_USD))
