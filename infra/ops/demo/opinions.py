"""Feedback on two notes: one with a bearer token, as a tool of the tenant gives it, one through the link in the note itself."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.ops.cli.failure import Failure
from schemas.events import EnhancementDelivered

CALL_SECONDS = 10.0
_LINK = re.compile(r"https?://[^\s\"'<>]+/f/[A-Za-z0-9._~=-]+")


@dataclass(frozen=True, slots=True)
class Opinions:
    """What was said: `by_token` is the event id of the first, `by_link` the address that took the second."""

    by_token: str
    by_link: str


async def give_by_token(session: aiohttp.ClientSession, base: str, token: str, delivered: EnhancementDelivered) -> str:
    """Five stars for a note; the event's id. Raises Failure when the edge doesn't take it."""
    said: dict[str, Any] = {
        "ticket_id": delivered.ticket_id,
        "enhancement_id": delivered.enhancement_id,
        "feedback_type": "rating",
        "rating": 5,
        "minutes_saved": 15,
        "comment": "The earlier ticket it named had the same cause.",
        "submitted_by": "Service Desk, first line",
    }
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with session.post(f"{base}/api/v1/feedback", json=said, headers=headers, timeout=timeout) as answer:
        content = await answer.text()
        if answer.status != 202:
            raise _refused("feedback with a bearer token", answer.status, content)
        return str((await answer.json())["event_id"])


def link_in(note: str) -> str:
    """The feedback link in a note's HTML. Raises Failure where there is none."""
    found = _LINK.search(html.unescape(note))
    if found is None:
        raise Failure(
            "the note has no feedback link", "are TICKETSTREAM_LINK_KEYS and TICKETSTREAM_PUBLIC_URL set for deliver?"
        )
    return found.group()


async def give_by_link(session: aiohttp.ClientSession, link: str) -> None:
    """A thumb up on the page behind the link. Raises Failure when the page isn't there or doesn't take it."""
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with session.get(link, timeout=timeout) as page:
        if page.status != 200:
            raise _refused("the feedback page", page.status, await page.text())
    form = {"thumb": "up", "minutes_saved": "10", "comment": "Saved me a look into the firewall."}
    async with session.post(link, data=form, timeout=timeout) as answer:
        if answer.status >= 300:
            raise _refused("feedback through a link", answer.status, await answer.text())


def _refused(what: str, status: int, content: str) -> Failure:
    return Failure(f"{what} was answered {status} {content[:300]}", "see the edge's log in the state folder's logs/")
