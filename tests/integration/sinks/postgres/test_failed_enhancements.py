"""What a dead letter leaves behind, written by each stage's role: the row says what happened and the content may come again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.events import (
    EnhancementSynthesized,
    Event,
    FeedbackSubmitted,
    FeedbackType,
    Ticket,
    TicketEnriched,
    TicketKind,
    TicketReceived,
    Writer,
)
from schemas.reasons import Reason
from sinks.failed_enhancements import FailedEnhancements
from sinks.postgres.enhancements import Enhancements
from tests.integration.sinks.postgres.conftest import PoolOf

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TICKET = Ticket("52101", "VPN stops at 98 %", "FortiClient falls back")


def received(tenant_id: str) -> TicketReceived:
    return TicketReceived(str(uuid4()), tenant_id, TicketKind.CREATED, TICKET, NOW)


def itself(event: TicketReceived) -> TicketReceived:
    return event


def enriched(event: TicketReceived) -> TicketEnriched:
    return TicketEnriched.following(event, context=(), missing=(), took_ms={}, at=NOW)


def synthesized(event: TicketReceived) -> EnhancementSynthesized:
    return EnhancementSynthesized(
        event_id=str(uuid4()),
        input_id=str(uuid4()),
        ticket_received_id=event.event_id,
        tenant_id=event.tenant_id,
        ticket_id=TICKET.ticket_id,
        enhancement_id=str(uuid4()),
        text="Restart it.",
        citations=(),
        writer=Writer.BUILTIN,
        content_hash=TICKET.content_hash,
        received_at=NOW,
        enriched_at=NOW,
        synthesized_at=NOW,
    )


STAGES: dict[str, Callable[[TicketReceived], Event]] = {
    "enrich": itself,
    "synthesize": enriched,
    "deliver": synthesized,
}


@pytest.fixture
async def enrich(pool_of: PoolOf) -> Pool:
    return await pool_of("enrich")


async def row(pool: Pool, tenant_id: str) -> tuple[str, str | None, str | None]:
    async with tenant_transaction(pool, tenant_id) as connection:
        found = await connection.fetchrow("SELECT status, reason, error_message FROM enhancements")
    assert isinstance(found, asyncpg.Record)
    return found["status"], found["reason"], found["error_message"]


@pytest.mark.parametrize("stage", STAGES)
async def test_the_row_says_why_and_the_next_webhook_with_the_content_is_answered(
    pool_of: PoolOf, enrich: Pool, tenant: str, stage: str
) -> None:
    enhancements, failed = Enhancements(enrich), FailedEnhancements(await pool_of(stage))
    event = received(tenant)
    assert await enhancements.begin(event)
    assert not await enhancements.begin(received(tenant))

    for _ in range(2):
        await failed.failed(STAGES[stage](event), Reason.HELD_TOO_LONG, "last held for desk_unavailable: refused")

    assert await row(enrich, tenant) == ("failed", "held_too_long", "last held for desk_unavailable: refused")
    assert await enhancements.begin(received(tenant))
    assert await row(enrich, tenant) == ("pending", None, None)


async def test_a_note_that_was_posted_stays_a_success(pool_of: PoolOf, enrich: Pool, tenant: str) -> None:
    event = received(tenant)
    await Enhancements(enrich).begin(event)
    await Enhancements(await pool_of("deliver")).posted(tenant, TICKET.ticket_id, TICKET.content_hash, "77")
    await FailedEnhancements(enrich).failed(event, Reason.INTERNAL_ERROR, "KeyError")
    assert await row(enrich, tenant) == ("success", None, None)


@pytest.mark.parametrize("stage", STAGES)
async def test_an_event_with_the_same_content_that_fails_leaves_the_row_of_the_one_that_counts(
    enrich: Pool, tenant: str, stage: str
) -> None:
    """As our own note's webhook does, which says the same again."""
    await Enhancements(enrich).begin(received(tenant))
    await FailedEnhancements(enrich).failed(STAGES[stage](received(tenant)), Reason.INTERNAL_ERROR, "KeyError")
    assert await row(enrich, tenant) == ("pending", None, None)


@pytest.mark.parametrize("known", [True, False])
async def test_of_an_earlier_release_the_enhancement_tells_whose_row_it_is(
    pool_of: PoolOf, enrich: Pool, tenant: str, known: bool
) -> None:
    """Whose events didn't name the one that was received."""
    event = replace(synthesized(received(tenant)), ticket_received_id="")
    await Enhancements(enrich).begin(received(tenant))
    written = event if known else replace(event, enhancement_id=str(uuid4()))
    await Enhancements(await pool_of("synthesize")).synthesized(written)
    await FailedEnhancements(enrich).failed(event, Reason.DESK_REFUSED, "4001")
    assert (await row(enrich, tenant))[0] == ("failed" if known else "pending")


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ('Traceback (most recent call last):\n  File "x"\nKeyError: 7\n', "KeyError: 7"),
        ("ValueError: \0 and \ud800", "ValueError: ? and ?"),
    ],
)
async def test_a_bug_is_told_in_a_line_that_postgres_takes(
    enrich: Pool, tenant: str, detail: str, message: str
) -> None:
    event = received(tenant)
    await Enhancements(enrich).begin(event)
    await FailedEnhancements(enrich).failed(event, Reason.INTERNAL_ERROR, detail)
    assert await row(enrich, tenant) == ("failed", "internal_error", message)


async def test_a_second_body_under_an_id_says_nothing_of_the_first(enrich: Pool, tenant: str) -> None:
    event = received(tenant)
    await Enhancements(enrich).begin(event)
    await FailedEnhancements(enrich).failed(event, Reason.CONFLICTING_DUPLICATE, "the id came twice")
    assert (await row(enrich, tenant))[0] == "pending"


async def test_feedback_concerns_no_enhancement(enrich: Pool, tenant: str) -> None:
    feedback = FeedbackSubmitted(str(uuid4()), tenant, TICKET.ticket_id, FeedbackType.THUMBS_UP, NOW)
    await Enhancements(enrich).begin(received(tenant))
    await FailedEnhancements(enrich).failed(feedback, Reason.INTERNAL_ERROR, "KeyError")
    assert (await row(enrich, tenant))[0] == "pending"
