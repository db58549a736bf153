"""What goes wrong, planted for real on a running chain: each plant makes a ticket fail in one way and returns when it has."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from infra.ops.cli.webhook_request import headers, key_of, new_webhook_id, send
from infra.ops.investigate.cause import Cause
from infra.ops.local.model_server import ModelFault
from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings
from schemas.topics import Stage, Topic
from schemas.wire_format import Codec
from sinks.postgres.tenant_settings import Value
from tests.integration.chain.forgery import ticket_received
from tests.integration.chain.polling import until
from tests.integration.chain.tenant import Tenant
from tests.integration.investigate.world import PATIENCE, World

Make = Callable[[World, Tenant], Awaitable[str]]
"""Makes a ticket of the tenant fail; its id."""
A_LONG_TIME = 600.0
WITH_MODEL: Mapping[str, Value] = {"external_model": True, "fallback_builtin": False}


@dataclass(frozen=True, slots=True)
class Plant:
    """`status` is where the ticket is then, `says` words of the root cause."""

    name: str
    cause: Cause
    status: str
    make: Make
    says: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)


async def answered(world: World, tenant: Tenant) -> str:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id, seconds=PATIENCE)
    return ticket_id


async def note_deleted(world: World, tenant: Tenant) -> str:
    """The desk loses the ticket's notes: it is made anew under its id."""
    ticket_id = await answered(world, tenant)
    await world.chain.desks.delete_request(tenant.desk, ticket_id)
    await tenant.ticket(id=ticket_id)
    return ticket_id


async def unchanged(world: World, tenant: Tenant) -> str:
    """Twice: once might be our own note's webhook."""
    ticket_id = await answered(world, tenant)
    for _ in range(2):
        await tenant.webhook(ticket_id)
    await world.dropped(tenant, ticket_id, "unchanged", 2)
    return ticket_id


async def duplicate(world: World, tenant: Tenant) -> str:
    """Two edges took one webhook at the same instant."""
    ticket_id = await tenant.ticket()
    event = ticket_received(tenant.tenant_id, ticket_id)
    for twin in (event, replace(event, received_at=event.received_at + timedelta(milliseconds=1))):
        await world.forger.write(world.forger.signed(twin, Topic.TICKETS_RECEIVED, tenant.partition))
    await tenant.delivered(ticket_id, seconds=PATIENCE)
    return ticket_id


async def superseded(world: World, tenant: Tenant) -> str:
    """Edited while its first note waits for the desk."""
    await tenant.faulty(DeskFault(kind="rate_limit", retry_after=6, calls=1))
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "desk_rate_limited")
    await tenant.edit(ticket_id, subject="The whole building is without network")
    await tenant.webhook(ticket_id)
    await world.ended(tenant, ticket_id, "dropped", "superseded")
    await world.ended(tenant, ticket_id, "success")
    return ticket_id


async def desk_down(world: World, tenant: Tenant) -> str:
    await tenant.faulty(DeskFault(kind="error", status=503, lasting=A_LONG_TIME))
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "desk_unavailable")
    return ticket_id


async def behind_a_held_lane(world: World, tenant: Tenant) -> str:
    """Another ticket of the tenant closed the lane by its breaker."""
    await desk_down(world, tenant)
    ticket_id = await tenant.told()
    await world.written(Topic.ENHANCEMENTS_SYNTHESIZED, tenant, ticket_id)
    return ticket_id


async def desk_too_busy(world: World, tenant: Tenant) -> str:
    await tenant.faulty(DeskFault(kind="rate_limit", retry_after=300, lasting=A_LONG_TIME))
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "desk_rate_limited")
    return ticket_id


async def credential_refused(world: World, tenant: Tenant) -> str:
    await world.chain.desks.put_desk(tenant.desk, DeskSettings(kind="onprem", key="another-key"))
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "desk_credential_refused")
    return ticket_id


async def note_uncertain(world: World, tenant: Tenant) -> str:
    """The desk writes the note and says that it failed."""
    await tenant.faulty(DeskFault(kind="error", operation="add_note", when="after", status=500, calls=1))
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "note_uncertain")
    return ticket_id


async def deleted_at_the_desk(world: World, tenant: Tenant) -> str:
    ticket_id = await tenant.ticket()
    await world.chain.desks.delete_request(tenant.desk, ticket_id)
    await tenant.webhook(ticket_id)
    await world.ended(tenant, ticket_id, "dropped", "ticket_deleted")
    return ticket_id


async def refused_by_the_desk(world: World, tenant: Tenant) -> str:
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    ticket_id = await tenant.told()
    await world.ended(tenant, ticket_id, "failed", "desk_refused")
    return ticket_id


async def model_away(world: World, tenant: Tenant) -> str:
    world.model.faults.set([ModelFault(kind="error", status=500, model="openai/gpt-4o")])
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "model_unavailable")
    return ticket_id


async def model_too_slow(world: World, tenant: Tenant) -> str:
    """It takes longer than the 30 s that the tenant gives it."""
    world.model.faults.set([ModelFault(kind="hang", seconds=A_LONG_TIME, model="openai/gpt-4.1")])
    ticket_id = await tenant.told()
    await world.held(tenant, ticket_id, "model_unavailable")
    return ticket_id


async def model_away_and_built_in(world: World, tenant: Tenant) -> str:
    """The built-in writer takes over."""
    world.model.faults.set([ModelFault(kind="error", status=500, retry_after=1, model="openai/gpt-4o-mini")])
    return await answered(world, tenant)


async def wrong_secret(world: World, tenant: Tenant) -> str:
    """Exchanged here and not at the desk, which goes on with the old one."""
    await tenant.command("tenant", "rotate-secret", "--window", "0", "--yes", "--reason", "leaked")
    ticket_id = await tenant.ticket()

    async def refused() -> bool:
        return (await tenant.webhook(ticket_id)).status == 403

    await until(refused, "the edge follows the exchange", seconds=PATIENCE)
    await world.refused(tenant, "bad_signature")
    return ticket_id


async def clock_off(world: World, tenant: Tenant) -> str:
    ticket_id = await tenant.ticket()
    body = json.dumps({"request": tenant.requests[ticket_id]}).encode()
    signed = headers(key_of(tenant.secret), new_webhook_id(), body, timestamp=int(time.time()) - 900)
    assert (await send(world.chain.session, _url(world, tenant), body, signed)).status == 403
    await world.refused(tenant, "stale")
    return ticket_id


async def bad_body(world: World, tenant: Tenant) -> str:
    ticket_id = await tenant.ticket()
    body = json.dumps({"request": {"id": ticket_id, "subject": 7}}).encode()
    assert (await tenant.send(body)).status == 422
    await world.refused(tenant, "schema")
    return ticket_id


async def disabled(world: World, tenant: Tenant) -> str:
    """The ticket comes when the edge refuses already: one that it still took would be in flight."""
    await tenant.command("tenant", "disable", "--reason", "moves away")

    async def refused() -> bool:
        return (await tenant.webhook(await tenant.ticket())).status == 403

    await until(refused, "the edge follows", seconds=PATIENCE)
    ticket_id = await tenant.ticket()
    assert (await tenant.webhook(ticket_id)).status == 403
    await world.refused(tenant, "tenant_disabled")
    return ticket_id


async def disabled_in_flight(world: World, tenant: Tenant) -> str:
    """What was queued before waits."""
    await tenant.command("tenant", "disable", "--reason", "moves away")
    await asyncio.sleep(3)  # as long as stages take to follow; nothing tells that they did
    ticket_id = await tenant.ticket()
    event = ticket_received(tenant.tenant_id, ticket_id)
    await world.forger.write(world.forger.signed(event, Topic.TICKETS_RECEIVED, tenant.partition))
    await world.held(tenant, ticket_id, "tenant_disabled")
    return ticket_id


async def isolation(world: World, tenant: Tenant) -> str:
    """Rightly signed, with another tenant's value inside."""
    ticket_id = await tenant.ticket()
    topic, forger = Topic.TICKETS_RECEIVED, world.forger
    record = forger.signed(ticket_received(tenant.tenant_id, ticket_id), topic, tenant.partition)
    value = Codec().encode(ticket_received("somebody-else", ticket_id))
    await forger.write(forger.with_value(record, topic, value))
    await world.letter(tenant, ticket_id)
    return ticket_id


async def conflicting(world: World, tenant: Tenant) -> str:
    """One webhook-id, two bodies, past the edge's own notice of that."""
    ticket_id = await answered(world, tenant)
    (first,) = world.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)
    ticket = replace(first.event.ticket, description="Something else.", content_hash="")
    other = replace(first.event, ticket=ticket)
    await world.forger.write(world.forger.signed(other, Topic.TICKETS_RECEIVED, tenant.partition))
    await world.letter(tenant, ticket_id)
    return ticket_id


async def internal_error(world: World, tenant: Tenant) -> str:
    ticket_id = await tenant.ticket()
    world.breaks(Stage.SYNTHESIZE, ticket_id, "raise")
    await tenant.webhook(ticket_id)
    await world.ended(tenant, ticket_id, "failed", "internal_error")
    return ticket_id


async def backlog(world: World, tenant: Tenant) -> str:
    """With one job at a time, behind a ticket that takes long."""
    slow = await tenant.ticket()
    world.breaks(Stage.ENRICH, slow, "sleep")
    await tenant.webhook(slow)
    ticket_id = await tenant.told()
    await world.written(Topic.TICKETS_RECEIVED, tenant, ticket_id)
    return ticket_id


async def never_sent(world: World, tenant: Tenant) -> str:
    return await tenant.ticket()


async def unknown_everywhere(world: World, tenant: Tenant) -> str:
    return "99999999"


async def crashes_worker(world: World, tenant: Tenant) -> str:
    ticket_id = await tenant.ticket()
    world.breaks(Stage.DELIVER, ticket_id, "die")
    await tenant.webhook(ticket_id)
    await world.row(tenant, "SELECT 1 FROM lane_holds WHERE ticket_id = $1 AND deaths > 0", ticket_id)
    return ticket_id


def stopped(stage: Stage) -> Make:
    """The stage is stopped, and a ticket comes as far as to it."""

    async def make(world: World, tenant: Tenant) -> str:
        await world.chain.stack.supervisor.stop_one(stage.value)
        await world.left(stage)
        ticket_id = await tenant.told()
        await world.written(stage.consumes, tenant, ticket_id)
        return ticket_id

    return make


def _url(world: World, tenant: Tenant) -> str:
    return f"{world.chain.ingest}/api/v1/webhooks/{tenant.tenant_id}"


PLANTS = (
    Plant("answered", Cause.ANSWERED, "answered", answered),
    Plant("note deleted at the desk", Cause.NOTE_DELETED, "answered", note_deleted),
    Plant("unchanged", Cause.UNCHANGED, "answered", unchanged),
    Plant("duplicate", Cause.DUPLICATE, "answered", duplicate),
    Plant("superseded", Cause.SUPERSEDED, "answered", superseded),
    Plant("desk down", Cause.DESK_UNAVAILABLE, "held", desk_down),
    Plant("held lane", Cause.DESK_UNAVAILABLE, "waiting", behind_a_held_lane, "lane is closed"),
    Plant("desk 429", Cause.DESK_RATE_LIMITED, "held", desk_too_busy),
    Plant("desk's credential refused", Cause.DESK_CREDENTIAL_REFUSED, "held", credential_refused),
    Plant("held ticket", Cause.NOTE_UNCERTAIN, "held", note_uncertain),
    Plant("deleted at the desk", Cause.TICKET_DELETED, "dropped", deleted_at_the_desk),
    Plant("refused by the desk", Cause.DESK_REFUSED, "dead_letter", refused_by_the_desk),
    Plant("model away", Cause.MODEL_UNAVAILABLE, "held", model_away, settings={**WITH_MODEL, "gpt4_model": "gpt-4o"}),
    Plant(
        "model away, built-in note",
        Cause.MODEL_UNAVAILABLE,
        "answered",
        model_away_and_built_in,
        "less than usual",
        {"external_model": True, "gpt4_model": "gpt-4o-mini"},
    ),
    Plant("wrong secret", Cause.WRONG_SECRET, "refused", wrong_secret, "exchanged here"),
    Plant("clock off", Cause.CLOCK_OFF, "refused", clock_off, "s behind"),
    Plant("bad body", Cause.WEBHOOK_REFUSED, "refused", bad_body, "subject"),
    Plant("disabled", Cause.TENANT_DISABLED, "refused", disabled),
    Plant("disabled in flight", Cause.TENANT_DISABLED, "held", disabled_in_flight),
    Plant("isolation", Cause.ISOLATION, "dead_letter", isolation),
    Plant("conflicting duplicate", Cause.CONFLICTING_DUPLICATE, "answered", conflicting),
    Plant("internal error", Cause.INTERNAL_ERROR, "dead_letter", internal_error, "nobody foresaw"),
    Plant("backlog", Cause.BACKLOG, "waiting", backlog, "1 event of the tenant", settings={"max_concurrent_jobs": 1}),
    Plant("never sent", Cause.NEVER_SENT, "never_received", never_sent, "Reconcile"),
    Plant("unknown everywhere", Cause.NO_SUCH_TICKET, "never_received", unknown_everywhere),
)
SLOW = Plant(
    "model too slow",
    Cause.MODEL_TOO_SLOW,
    "held",
    model_too_slow,
    "no answer within 30 s",
    {**WITH_MODEL, "gpt4_model": "gpt-4.1", "enhancement_timeout_seconds": 30},
)
IN_TURN = (
    Plant("worker crashes", Cause.CRASHES_WORKER, "held", crashes_worker),
    Plant("deliver stopped", Cause.STAGE_STOPPED, "waiting", stopped(Stage.DELIVER), "deliver"),
    Plant("synthesize stopped", Cause.STAGE_STOPPED, "waiting", stopped(Stage.SYNTHESIZE), "synthesize"),
    Plant("enrich stopped", Cause.STAGE_STOPPED, "waiting", stopped(Stage.ENRICH), "enrich"),
)
"""What others would notice."""
