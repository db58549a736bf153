"""A process killed between any two of its side effects: the next goes on, and nothing is lost, said twice or paid twice."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import pytest

from schemas.topics import Topic
from tests.integration.chain.tap import Seen
from tests.integration.chain.tenant import FEEDBACK_LINK, MARKER, Tenant
from tests.integration.kills.gaps import FEEDBACK, GAPS, PAID_AGAIN, SYNTHESIZE, Gap
from tests.integration.kills.town import PATIENCE, Town, subject


@dataclass(frozen=True, slots=True)
class Struck:
    """`tickets` by gap, each of a tenant of its own; `calls` that the model answered by gap."""

    town: Town
    tickets: dict[Gap, tuple[Tenant, str]] = field(default_factory=dict)
    calls: dict[Gap, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def struck(town: Town) -> Struck:
    """Every service was killed once, with an event in each of its gaps, and all is handled since."""
    struck = Struck(town)
    without_model = frozenset(number for number, gap in enumerate(GAPS) if not gap.model)
    for gap, tenant in zip(GAPS, await town.tenants(len(GAPS), without_model=without_model), strict=True):
        struck.tickets[gap] = tenant, await tenant.ticket(subject=subject(tenant, 1))
    for service in dict.fromkeys(gap.service for gap in GAPS):
        town.tell(service, {struck.tickets[gap][1]: gap.name for gap in GAPS if gap.service == service})
    # synthesize first: what it would be doing when it is killed might have its answer already, and be paid again
    await send(struck, [gap for gap in GAPS if gap.service == SYNTHESIZE])
    await town.killed(SYNTHESIZE)
    await send(struck, [gap for gap in GAPS if gap.service != SYNTHESIZE])
    for gap in GAPS:
        if gap.service == FEEDBACK:
            await answer(*struck.tickets[gap])
    for service in dict.fromkeys(gap.service for gap in GAPS):
        await town.killed(service)
    for tenant, ticket_id in struck.tickets.values():
        await tenant.delivered(ticket_id, seconds=PATIENCE)
    await town.all_committed()
    for gap, (tenant, _) in struck.tickets.items():
        struck.calls[gap] = town.calls(subject(tenant, 1)).count(200)
    return struck


async def send(struck: Struck, gaps: Sequence[Gap]) -> None:
    async with asyncio.TaskGroup() as sending:
        for gap in gaps:
            sending.create_task(struck.town.send(*struck.tickets[gap]))


async def answer(tenant: Tenant, ticket_id: str) -> None:
    """A technician's, through the link in the note."""
    await tenant.delivered(ticket_id, seconds=PATIENCE)
    (note,) = await tenant.notes(ticket_id)
    link = FEEDBACK_LINK.search(note.description)
    assert link
    async with (
        aiohttp.ClientSession() as browser,
        browser.post(html.unescape(link["url"]), data={"thumb": "up"}) as answered,
    ):
        assert answered.status == 200


def the_same(records: Sequence[Seen]) -> bool:
    return len({record.header("ce_id") for record in records}) == 1 and len({record.value for record in records}) == 1


@pytest.mark.parametrize("gap", GAPS, ids=str)
async def test_a_kill_in_this_gap(struck: Struck, gap: Gap) -> None:
    tenant, ticket_id = struck.tickets[gap]
    tap = struck.town.chain.tap

    (note,) = await tenant.notes(ticket_id)
    deliveries = tap.records(Topic.ENHANCEMENTS_DELIVERED, tenant.partition, ticket_id)
    assert the_same(deliveries), [(one.header("ce_id"), one.event) for one in deliveries]
    delivered = deliveries[0].event
    assert (delivered.note_id, delivered.tenant_id, delivered.ticket_id) == (note.note_id, tenant.tenant_id, ticket_id)
    assert MARKER.search(note.description) and subject(tenant, 1) in note.description
    for topic in (Topic.TICKETS_ENRICHED, Topic.ENHANCEMENTS_SYNTHESIZED):
        ids = {record.header("ce_id") for record in tap.records(topic, tenant.partition, ticket_id)}
        assert len(ids) == 1, topic
    assert the_same(tap.records(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, ticket_id))
    assert gap.model <= struck.calls[gap] <= (2 if gap.name == PAID_AGAIN else gap.model)
    assert not tap.records(Topic.DEAD_LETTERS, tenant.partition)
    if gap.service == FEEDBACK:
        aggregates = tap.records(Topic.FEEDBACK_AGGREGATED, tenant.partition)
        assert the_same(aggregates) and (aggregates[0].event.total, aggregates[0].event.thumbs_up) == (1, 1)
