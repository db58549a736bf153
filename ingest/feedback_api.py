"""`POST|GET /api/v1/feedback` and `GET /api/v1/feedback/stats`, for tools of the tenant, with a bearer token."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from aiohttp import web
from multidict import MultiMapping

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.telemetry.logs import get_logger
from ingest.answers import Refused, json_answer, unavailable, wrong_field
from ingest.bearer import BearerTokens
from ingest.feedback_body import FeedbackBody, parse_feedback
from ingest.feedback_cursor import cursor_of, position_of
from ingest.feedback_queue import FeedbackQueue
from ingest.json_text import parse_json
from ingest.ports import FeedbackQuery, FeedbackReader
from ingest.request_body import header_values, read_body, require_media_type
from schemas import ids
from schemas.events import FeedbackSubmitted

log = get_logger(__name__)

WRITE, READ = "feedback:write", "feedback:read"
MAX_FEEDBACK_BYTES = 64 * 1024
MOST_ANSWERS = 500
ANSWER_SECONDS = 3.0

_TICKET_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDEMPOTENCY_KEY = re.compile(rb"[!-~]{1,256}")


@dataclass(frozen=True, slots=True)
class FeedbackApi:
    bearer: BearerTokens
    queue: FeedbackQueue
    reader: FeedbackReader
    clock: Clock = field(default_factory=SystemClock)

    async def submit(self, request: web.Request) -> web.Response:
        raw = await read_body(request, MAX_FEEDBACK_BYTES)
        token = await self.bearer.authorize(request, WRITE)
        require_media_type(request)
        body = parse_feedback(parse_json(raw))
        tenant_id = await self.bearer.own_tenant(token, body.tenant_id, request)
        tenant = self.queue.tenant(tenant_id)
        if tenant is None:
            raise Refused(403, "the tenant is disabled", reason="tenant_disabled")
        event = self._event(body, tenant_id, _idempotency_key(request), raw)
        await self.queue.put(event, tenant)
        return json_answer({"event_id": event.event_id, "status": "queued"}, 202)

    async def answers(self, request: web.Request) -> web.Response:
        """A page, and where the next goes on: `next_cursor`, and the same as a Link."""
        tenant_id, query = await self._asked(request)
        if cursor := _one(request.query, "cursor"):
            query = replace(query, after=position_of(cursor, tenant_id, query))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                page = await self.reader.answers(tenant_id, query)
        except Exception as error:
            raise _store_away(error) from None
        following = cursor_of(page.last, tenant_id, query) if page.last else None
        headers = {"Link": f'<{_next_page(request, following)}>; rel="next"'} if following else None
        return json_answer({"feedback": [dict(row) for row in page.rows], "next_cursor": following}, headers=headers)

    async def stats(self, request: web.Request) -> web.Response:
        tenant_id, query = await self._asked(request)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                stats = dict(await self.reader.stats(tenant_id, query))
        except Exception as error:
            raise _store_away(error) from None
        return json_answer(stats)

    async def _asked(self, request: web.Request) -> tuple[str, FeedbackQuery]:
        token = await self.bearer.authorize(request, READ)
        for named in request.query.getall("tenant_id", [""]):  # whichever of them somebody else would believe
            await self.bearer.own_tenant(token, named, request)
        return token.tenant_id, _query(request.query)

    def _event(self, body: FeedbackBody, tenant_id: str, key: str | None, raw: bytes) -> FeedbackSubmitted:
        """The same Idempotency-Key is the same answer; without one, the same words at another time are another."""
        at = self.clock.now()
        named = (key,) if key else (at.isoformat(), sha256(raw).hexdigest())
        return FeedbackSubmitted(
            event_id=ids.derive(tenant_id, "feedback", *named),
            tenant_id=tenant_id,
            ticket_id=body.ticket_id,
            feedback_type=body.feedback_type,
            submitted_at=at,
            enhancement_id=str(body.enhancement_id) if body.enhancement_id else None,
            rating=body.rating,
            comment=body.comment,
            submitted_by=body.submitted_by,
            minutes_saved=body.minutes_saved,
        )


def _idempotency_key(request: web.Request) -> str | None:
    values = header_values(request, "Idempotency-Key")
    if not values:
        return None
    if len(values) > 1 or not _IDEMPOTENCY_KEY.fullmatch(values[0]):
        raise Refused(400, "send one Idempotency-Key of 1-256 visible ASCII characters", reason="idempotency_key")
    return values[0].decode("ascii")


def _one(parameters: MultiMapping[str], name: str) -> str | None:
    """The parameter's value. 422 where it is there twice: which of them is meant nobody knows."""
    values = parameters.getall(name, [])
    if len(values) > 1:
        raise wrong_field(name, f"{name}: is there {len(values)} times, send it once")
    return values[0] if values else None


def _next_page(request: web.Request, cursor: str) -> str:
    """Without the host, which only a proxy in front may know."""
    return str(request.rel_url.update_query(cursor=cursor))


def _query(parameters: MultiMapping[str]) -> FeedbackQuery:
    """From `ticket_id`, `start_date`, `end_date` (a date, of which the end includes the whole day, or a time), `limit`."""
    ticket_id = _one(parameters, "ticket_id") or None
    if ticket_id is not None and not _TICKET_ID.fullmatch(ticket_id):
        raise wrong_field("ticket_id", "ticket_id: must be 1-64 characters of A-Z a-z 0-9 . _ -")
    start, end = _time(parameters, "start_date", timedelta(0)), _time(parameters, "end_date", timedelta(days=1))
    if start and end and start > end:
        raise wrong_field("end_date", "end_date: is before start_date")
    return FeedbackQuery(ticket_id, start, end, _limit(_one(parameters, "limit")))


def _time(parameters: MultiMapping[str], name: str, whole_day: timedelta) -> datetime | None:
    text = _one(parameters, name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at + whole_day if _DATE.fullmatch(text) else at
    except (ValueError, OverflowError):
        raise wrong_field(name, f"{name}: must be a date (2026-01-31) or a time (2026-01-31T09:00:00Z)") from None


def _limit(text: str | None) -> int:
    if text is None:
        return MOST_ANSWERS
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_ANSWERS):
        raise wrong_field("limit", f"limit: must be 1-{MOST_ANSWERS}")
    return int(text)


def _store_away(error: Exception) -> Refused:
    log.warning("Feedback not read", error=f"{type(error).__name__}: {error}")
    return unavailable("not able to read feedback now", "feedback_unavailable")
