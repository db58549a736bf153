"""`/tenants/{tenant}/feedback`: what technicians answered, each with the note that it is about beside it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from infra.ops.console.pages import reason
from infra.ops.console.pages.showing import asked_for, page_of, show
from infra.ops.console.visits import Visit
from processors.synthesize.answer import Answer
from sinks.postgres.console_reading import Answered, ConsoleReading
from sinks.postgres.feedback import Feedback, FeedbackFilter

A_PAGE = 20


async def feedback(request: web.Request, visit: Visit) -> web.StreamResponse:
    tenant_id = request.match_info["tenant"]
    given, page, sight = (
        asked_for(request, "ticket", "worst"),
        page_of(request),
        reason.given(request, visit, tenant_id),
    )
    if sight is None:
        return await reason.asked(request, visit, tenant_id)
    ticket_id = given["ticket"] or None
    async with visit.acting(tenant_id, command="tenant show") as at_work:
        subject = f"feedback and notes of {f'ticket {ticket_id}' if ticket_id else f'page {page}'}"
        await reason.note(at_work, tenant_id, "console feedback", subject, sight)
        stats = await Feedback(at_work.pool).stats(FeedbackFilter(tenant_id, ticket_id))
        found = await ConsoleReading(at_work.pool).feedback(
            tenant_id, ticket_id=ticket_id, weak=bool(given["worst"]), limit=A_PAGE + 1, skip=(page - 1) * A_PAGE
        )
    answers = [_with_note(one) for one in found[:A_PAGE]]
    return show(
        "feedback.html",
        visit,
        section="tenants",
        stats=stats,
        answers=answers,
        tenant_id=tenant_id,
        given=given,
        page=page,
        more=len(found) > A_PAGE,
    )


def _with_note(one: Answered) -> dict[str, Any]:
    return {
        "ticket_id": one.ticket_id,
        "feedback_type": one.feedback_type,
        "rating": one.rating,
        "comment": one.comment,
        "minutes_saved": one.minutes_saved,
        "submitted_at": one.submitted_at,
        "note": _note(one),
    }


def _note(one: Answered) -> dict[str, str] | None:
    if one.answer is None:
        return None
    try:
        text = Answer.from_json(one.answer).written.text
    except (ValueError, KeyError, TypeError):  # of a version that is gone
        return None
    return {"text": text, "writer": one.writer or "", "model": one.model or ""}
