"""A test enhancement: a ticket that is at the desk is sent through the edge as the desk would, and its note awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.ops.cli.acting import Acting
from infra.ops.cli.failure import Failure
from infra.ops.cli.tenancy import webhook_secret
from infra.ops.cli.ticket_sample import body_of
from infra.ops.cli.webhook_answers import meaning_of
from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id, send
from infra.ops.onboarding.check import Check, failed, passed, unknown
from infra.ops.onboarding.desk_checks import request_of
from infra.runtime.postgres.tenant import tenant_transaction
from schemas import ids
from schemas.reasons import Reason
from sinks.postgres.tenant_settings import TenantSettings
from sinks.servicedesk.types import Refused

LOOK_SECONDS = 1.0
_DROPPED = """
SELECT outcome, reason FROM received_events WHERE tenant_id = $1 AND event_id = $2 AND outcome = 'dropped'
"""
_ENHANCEMENT = """
SELECT event_id::text, status, note_id, reason, error_message FROM enhancements
WHERE tenant_id = $1 AND ticket_id = $2 ORDER BY updated_at DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A ticket of a tenant, and how many seconds its note may take."""

    tenant: TenantSettings
    ticket_id: str
    seconds: float


async def deliver_test(at_work: Acting, delivery: Delivery) -> Check:
    """Whether the note came. Where the ticket has one for what it says now, that one counts: no second is written."""
    request = await request_of(at_work, delivery.tenant, delivery.ticket_id)
    if isinstance(request, Refused):
        return failed(f"ticket {delivery.ticket_id}: {request.detail}", "name a ticket that is open at the desk")
    webhook_id = new_webhook_id()
    refused = await _send(at_work, delivery, request, webhook_id)
    if refused is not None:
        return refused
    event_id, end = ids.of_webhook(delivery.tenant.tenant_id, webhook_id), time.monotonic() + delivery.seconds
    while time.monotonic() < end:
        found = await _outcome(at_work, delivery, event_id)
        if found is not None:
            return found
        await asyncio.sleep(LOOK_SECONDS)
    tenant_id = delivery.tenant.tenant_id
    return unknown(
        f"ticket {delivery.ticket_id} was taken, its note did not come within {delivery.seconds:.0f} s",
        f"see where it waits: ticketstream lag show; then again: ticketstream tenant verify {tenant_id}",
    )


async def _send(at_work: Acting, delivery: Delivery, request: dict[str, Any], webhook_id: str) -> Check | None:
    tenant_id = delivery.tenant.tenant_id
    key, body = key_of(await webhook_secret(at_work.around, at_work.pool, tenant_id)), body_of(request)
    url = at_work.around.webhook_url(tenant_id)
    try:
        async with aiohttp.ClientSession() as session:
            answer = await send(session, url, body, headers(key, webhook_id, body))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Failure(f"{url} does not answer ({type(error).__name__})", "see that the edge runs") from None
    meaning = meaning_of(answer.status, seconds_off=answer.seconds_off)
    return (
        None if meaning.accepted else failed(f"the edge says {answer.status}: {meaning.says}", " ".join(meaning.check))
    )


async def _outcome(at_work: Acting, delivery: Delivery, event_id: str) -> Check | None:
    """None while it isn't decided."""
    tenant_id, ticket_id = delivery.tenant.tenant_id, delivery.ticket_id
    async with tenant_transaction(at_work.pool, tenant_id) as connection:
        dropped = await connection.fetchrow(_DROPPED, tenant_id, event_id)
        row = await connection.fetchrow(_ENHANCEMENT, tenant_id, ticket_id)
    return _decided(delivery, event_id, dict(row) if row else None, dropped["reason"] if dropped else None)


def _decided(delivery: Delivery, event_id: str, row: Mapping[str, Any] | None, dropped: str | None) -> Check | None:
    """`row` is the ticket's newest enhancement, `dropped` why the event got none of its own."""
    ticket_id = delivery.ticket_id
    if row is not None and (row["event_id"] == event_id or dropped == Reason.UNCHANGED):
        if row["status"] == "success":
            return passed(f"note {row['note_id']} at ticket {ticket_id}")
        if row["status"] in ("failed", "dropped"):
            why = row["error_message"] or row["reason"] or row["status"]
            return failed(
                f"ticket {ticket_id}: {why}", f"ticketstream dead-letters list --tenant {delivery.tenant.tenant_id}"
            )
        return None
    if dropped is None:
        return None
    return failed(
        f"ticket {ticket_id} gets no note: {dropped}", "name a ticket that is open at the desk and not answered yet"
    )
