"""What PostgreSQL knows of a ticket and of its tenant: one transaction under the tenant's own security, every list bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from infra.ops.investigate.facts import (
    Arrival,
    Breaker,
    Content,
    Hold,
    Intent,
    Opinion,
    Reconciled,
    Secret,
)
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from infra.runtime.stream.breaker import BreakerState
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.record import Position
from schemas.events import FeedbackType
from schemas.topics import Stage
from sinks.postgres.tenant_contacts import Contact, ContactKind, TenantContacts
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import TenantSettings
from sinks.postgres.webhook_refusals import Refusal, WebhookRefusals

MOST = 50
_ARRIVALS = """
SELECT event_id::text, kind, topic, partition, record_offset, received_at, published, outcome, reason, recorded_at, updated_at,
    replay_of::text
FROM received_events WHERE tenant_id = $1 AND ticket_id = $2 ORDER BY received_at DESC, record_offset DESC LIMIT $3
"""
_CONTENTS = """
SELECT content_hash, status, event_id::text, created_at, updated_at, reason, error_message AS error, enhancement_id::text, note_id,
    writer, model, prompt_tokens, completion_tokens, cost_usd, degraded, received_at, synthesized_at, posted_at
FROM enhancements WHERE tenant_id = $1 AND ticket_id = $2 ORDER BY coalesce(received_at, created_at) DESC LIMIT $3
"""
_INTENTS = """
SELECT marker, content_hash, state, created_at, note_id, sent_at, done_at
FROM note_intents WHERE tenant_id = $1 AND ticket_id = $2 ORDER BY created_at DESC LIMIT $3
"""
_HOLDS = """
SELECT stage, ticket_id, event_id, scope, reason, detail, until, first_failed_at, attempts, deaths, topic, partition, record_offset
FROM lane_holds WHERE tenant_id = $1 AND (ticket_id = $2 OR scope = 'lane') ORDER BY ticket_id = $2 DESC, until DESC LIMIT $3
"""
_BREAKERS = "SELECT stage, state, until FROM lane_breakers WHERE tenant_id = $1"
_TICKET = "SELECT subject, record_offset FROM tickets WHERE tenant_id = $1 AND ticket_id = $2"
_OPINIONS = """
SELECT submitted_at AS at, feedback_type AS kind, rating, coalesce(comment, '') <> '' AS commented, minutes_saved
FROM enhancement_feedback WHERE tenant_id = $1 AND ticket_id = $2 AND counts ORDER BY submitted_at DESC LIMIT $3
"""
_RECONCILED = "SELECT first, last_run_at, last_result, last_error FROM reconcile_state WHERE tenant_id = $1"
_SECRETS = """
SELECT valid_from AS since, valid_until AS until FROM webhook_secrets WHERE tenant_id = $1 ORDER BY valid_from DESC LIMIT 3
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """`tenant` is None where there is none of this id. As in `Facts`."""

    tenant: TenantSettings | None = None
    arrivals: tuple[Arrival, ...] = ()
    contents: tuple[Content, ...] = ()
    intents: tuple[Intent, ...] = ()
    holds: tuple[Hold, ...] = ()
    closing: tuple[Hold, ...] = ()
    breakers: Mapping[Stage, Breaker] = field(default_factory=dict)
    opinions: tuple[Opinion, ...] = ()
    reconciled: Reconciled | None = None
    secrets: tuple[Secret, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    contacts: Mapping[ContactKind, Contact] = field(default_factory=dict)
    subject: str = ""
    seen_as_history: bool = False


async def read_rows(pool: Pool, tenant_id: str, ticket_id: str) -> Rows:
    """Raises PostgresUnavailable."""
    tenant = next((one for one in await load_tenants(pool) if one.tenant_id == tenant_id), None)
    if tenant is None:
        return Rows()
    async with tenant_transaction(pool, tenant_id) as connection:
        found = await _of_ticket(connection, tenant, ticket_id)
    refusals = await WebhookRefusals(pool).list(tenant_id)
    contacts = await TenantContacts(pool).of(tenant_id)
    return Rows(**found, tenant=tenant, refusals=tuple(refusals), contacts=contacts)


async def _of_ticket(connection: Connection, tenant: TenantSettings, ticket_id: str) -> dict[str, Any]:
    tenant_id = tenant.tenant_id
    of_ticket = (tenant_id, ticket_id, MOST)
    arrivals = await connection.fetch(_ARRIVALS, *of_ticket)
    contents = await connection.fetch(_CONTENTS, *of_ticket)
    intents = await connection.fetch(_INTENTS, *of_ticket)
    holds = [_hold(row) for row in await connection.fetch(_HOLDS, *of_ticket)]
    breakers = [_breaker(row) for row in await connection.fetch(_BREAKERS, tenant_id)]
    ticket = await connection.fetchrow(_TICKET, tenant_id, ticket_id)
    opinions = await connection.fetch(_OPINIONS, *of_ticket)
    reconciled = await connection.fetchrow(_RECONCILED, tenant_id)
    secrets = await connection.fetch(_SECRETS, tenant_id)
    return {
        "arrivals": tuple(_arrival(row) for row in reversed(arrivals)),
        "contents": tuple(Content(**row) for row in reversed(contents)),
        "intents": tuple(Intent(**row) for row in reversed(intents)),
        "holds": tuple(one for one in holds if one.ticket_id == ticket_id),
        "closing": tuple(one for one in holds if one.ticket_id != ticket_id),
        "breakers": {one.stage: one for one in breakers},
        "opinions": tuple(Opinion(**{**row, "kind": FeedbackType(row["kind"])}) for row in opinions),
        "reconciled": Reconciled(**reconciled) if reconciled else None,
        "secrets": tuple(Secret(**row) for row in secrets),
        "subject": ticket["subject"] if ticket else "",
        "seen_as_history": bool(ticket and ticket["record_offset"] < 0),
    }


def _arrival(row: asyncpg.Record) -> Arrival:
    return Arrival(
        event_id=row["event_id"],
        kind=row["kind"],
        received_at=row["received_at"],
        position=Position(row["topic"], row["partition"], row["record_offset"]),
        admitted_at=row["recorded_at"],
        done_at=row["updated_at"] if row["published"] else None,
        outcome=row["outcome"],
        reason=row["reason"],
        replay_of=row["replay_of"],
    )


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(
        stage=Stage(row["stage"]),
        ticket_id=row["ticket_id"],
        event_id=str(row["event_id"]),
        scope=Scope(row["scope"]),
        reason=row["reason"],
        detail=row["detail"],
        until=row["until"],
        first_failed_at=row["first_failed_at"],
        attempts=row["attempts"],
        deaths=row["deaths"],
        position=Position(row["topic"], row["partition"], row["record_offset"]),
    )


def _breaker(row: asyncpg.Record) -> Breaker:
    return Breaker(Stage(row["stage"]), BreakerState(row["state"]), row["until"])
