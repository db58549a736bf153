"""`GET|POST /f/{token}`: the page behind the link in a note. No login: who has the note has the link.

GET changes nothing and sets nothing, since mail scanners follow links. The last answer per browser counts, told by a random mark
in a cookie that is set with the first answer; what goes into the event is a hash of it and the note, so that no two notes'
answers can be told to come from one browser.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from pydantic import ValidationError

from infra.runtime.clock import Clock, SystemClock
from infra.runtime.keys.feedback_links import VALID_FOR, FeedbackLink, MacRing, read_link_token
from infra.runtime.telemetry.logs import get_logger
from ingest.answers import Refused
from ingest.feedback_body import Opinion, refusal
from ingest.feedback_queue import FeedbackQueue
from ingest.pages import rendering
from ingest.ports import TenantAccess
from ingest.request_body import FORM_TYPE, read_body, require_media_type
from schemas import ids
from schemas.events import FeedbackSubmitted

log = get_logger(__name__)

COOKIE = "ticketstream_respondent"
MAX_FORM_BYTES = 32 * 1024
MOST_FIELDS = 20
MOST_ANSWERS_A_NOTE = 20
MOST_NOTES_COUNTED = 20_000

_MARK = re.compile(r"[A-Za-z0-9_-]{22,64}")
_NUMBER = re.compile(r"[0-9]{1,6}")


class AnswerLimit:
    """How many answers a note has had in this process; best effort, against who presses the button for fun."""

    def __init__(self, most: int = MOST_ANSWERS_A_NOTE, notes: int = MOST_NOTES_COUNTED) -> None:
        self._most, self._notes = most, notes
        self._counts: OrderedDict[str, int] = OrderedDict()

    def reached(self, enhancement_id: str) -> bool:
        return self._counts.get(enhancement_id, 0) >= self._most

    def uncount(self, enhancement_id: str) -> None:
        """An answer that was not taken after all."""
        if self._counts.get(enhancement_id, 0) > 0:
            self._counts[enhancement_id] -= 1

    def count(self, enhancement_id: str) -> None:
        self._counts[enhancement_id] = self._counts.get(enhancement_id, 0) + 1
        self._counts.move_to_end(enhancement_id)
        while len(self._counts) > self._notes:
            self._counts.popitem(last=False)


@dataclass(frozen=True, slots=True)
class FeedbackLinks:
    """`secure` when browsers reach us by https, so that the cookie never travels in the clear."""

    ring: MacRing
    queue: FeedbackQueue
    secure: bool = True
    clock: Clock = field(default_factory=SystemClock)
    limit: AnswerLimit = field(default_factory=AnswerLimit)
    new_mark: Callable[[], str] = lambda: secrets.token_urlsafe(16)

    async def show(self, request: web.Request) -> web.Response:
        return rendering.form() if self._link(request) else _gone()

    async def submit(self, request: web.Request) -> web.Response:
        try:
            raw = await read_body(request, MAX_FORM_BYTES)
            link = self._link(request)
            tenant = self.queue.tenant(link.tenant_id) if link else None
            if link is None or tenant is None:
                return _gone()
            require_media_type(request, FORM_TYPE)
            return await self._answer(request, link, tenant, _opinion(_fields(raw)))
        except Refused as refused:
            return _refused(refused)

    async def _answer(
        self, request: web.Request, link: FeedbackLink, tenant: TenantAccess, opinion: Opinion
    ) -> web.Response:
        if self.limit.reached(link.enhancement_id):
            return rendering.message("Enough answers", "This note has had as many answers as we take. Thank you.", 429)
        mark = request.cookies.get(COOKIE, "")
        if not _MARK.fullmatch(mark):
            mark = self.new_mark()
        self.limit.count(link.enhancement_id)  # before the wait, or any number could come meanwhile
        try:
            await self.queue.put(_event(link, opinion, mark, self.clock.now()), tenant)
        except Refused:
            self.limit.uncount(link.enhancement_id)
            raise
        response = rendering.message(
            "Thank you", "Your answer was taken. You can answer again: your last answer counts."
        )
        response.set_cookie(
            COOKIE,
            mark,
            max_age=int(VALID_FOR.total_seconds()),
            path="/f/",
            secure=self.secure,
            httponly=True,
            samesite="Strict",
        )
        return response

    def _link(self, request: web.Request) -> FeedbackLink | None:
        return read_link_token(self.ring, request.match_info["token"], self.clock.now())


def _fields(raw: bytes) -> dict[str, str]:
    """Each field's last value; empty fields are left out."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        raise Refused(400, "the form can't be read", reason="bad_form") from None
    return {name: value.strip() for name, value in pairs if value.strip()}


def _opinion(fields: Mapping[str, str]) -> Opinion:
    """The answer; a thumb wins over a rating as its type, and the rating is kept."""
    thumb = {"up": "thumbs_up", "down": "thumbs_down"}.get(fields.get("thumb", ""))
    answer: dict[str, Any] = {
        "feedback_type": thumb,
        "rating": _number(fields, "rating"),
        "minutes_saved": _number(fields, "minutes_saved"),
        "comment": fields.get("comment"),
        "submitted_by": fields.get("name"),
    }
    if thumb is None and answer["rating"] is None:
        raise Refused(422, "Please choose a thumb or a rating.", reason="schema")
    try:
        return Opinion.model_validate(answer)
    except ValidationError as error:
        raise refusal(error) from None


def _number(fields: Mapping[str, str], name: str) -> int | None:
    text = fields.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise Refused(422, f"{name.replace('_', ' ')}: please give a whole number.", reason="schema")
    return int(text)


def _event(link: FeedbackLink, opinion: Opinion, mark: str, at: datetime) -> FeedbackSubmitted:
    respondent = sha256(f"{mark}\0{link.tenant_id}\0{link.enhancement_id}".encode()).hexdigest()[:32]
    return FeedbackSubmitted(
        event_id=ids.derive(link.tenant_id, "feedback", link.enhancement_id, respondent, at.isoformat()),
        tenant_id=link.tenant_id,
        ticket_id=link.ticket_id,
        feedback_type=opinion.feedback_type,
        submitted_at=at,
        enhancement_id=link.enhancement_id,
        rating=opinion.rating,
        comment=opinion.comment,
        submitted_by=opinion.submitted_by,
        minutes_saved=opinion.minutes_saved,
        respondent=respondent,
    )


def _gone() -> web.Response:
    return rendering.message(
        "This link doesn't work", "It has expired (links are valid for 30 days) or was not copied whole.", 404
    )


def _refused(refused: Refused) -> web.Response:
    if refused.status == 422:
        return rendering.form(refused.error, 422)
    response = rendering.message("That didn't work", f"{refused.error}.", refused.status)
    if refused.retry_after:
        response.headers["Retry-After"] = str(refused.retry_after)
    return response
