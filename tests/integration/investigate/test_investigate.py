"""`ticketstream investigate` on failures that were planted for real: it names the right root cause of each."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import dataclass, replace

import pytest

from infra.ops.cli.rights import RIGHTS
from infra.ops.investigate import Investigation, investigate
from infra.ops.investigate.cause import Cause
from infra.ops.investigate.sources import sources_around
from infra.ops.local.free_ports import free_ports
from tests.integration.chain.tenant import SUBJECT, Tenant
from tests.integration.investigate.plants import IN_TURN, PLANTS, SLOW, Plant
from tests.integration.investigate.world import World

pytestmark = pytest.mark.timeout(600)
ALL = (*PLANTS, SLOW, *IN_TURN)


@dataclass(frozen=True, slots=True)
class Planted:
    tenant: Tenant
    ticket_id: str
    found: Investigation


@pytest.fixture(scope="module")
async def planted(world: World) -> dict[str, Planted]:
    """Each failure by its name, as it was investigated while it lasted."""
    tenants = await world.tenants({plant.name: plant.settings for plant in ALL})

    async def plant(one: Plant) -> tuple[str, Planted]:
        tenant = tenants[one.name]
        ticket_id = await one.make(world, tenant)
        return one.name, Planted(tenant, ticket_id, await world.investigated(tenant, ticket_id))

    slow = asyncio.create_task(plant(SLOW))
    found = dict(await asyncio.gather(*(plant(one) for one in PLANTS)))
    found |= dict([await slow])
    for one in IN_TURN:
        found |= dict([await plant(one)])
    return found


@pytest.mark.parametrize("plant", ALL, ids=lambda plant: plant.name)
def test_the_right_root_cause_is_named(planted: dict[str, Planted], plant: Plant) -> None:
    found = planted[plant.name].found

    said = found.as_json()
    assert (said["cause"], said["status"]) == (plant.cause.value, plant.status), found.as_text()
    assert plant.says in said["root_cause"]


@pytest.mark.parametrize("plant", ALL, ids=lambda plant: plant.name)
def test_the_next_command_exists(planted: dict[str, Planted], plant: Plant) -> None:
    command = shlex.split(planted[plant.name].found.diagnosis.next_command)

    assert command[:1] in ([], ["ticketstream"])
    assert not command or " ".join(command[1:2]) in RIGHTS or " ".join(command[1:3]) in RIGHTS


async def test_the_command_tells_the_same_and_is_noted_down_with_its_reason(
    world: World, planted: dict[str, Planted]
) -> None:
    one = planted["answered"]

    said = await world.chain.command("investigate", one.tenant.tenant_id, one.ticket_id, "--reason", "SUP-7")

    assert (said["cause"], said["status"]) == ("answered", "answered")
    entries = await world.rows(one.tenant, "SELECT subject, reason FROM audit_log WHERE operation = 'investigate'")
    assert [tuple(entry) for entry in entries] == [(f"ticket {one.ticket_id}", "SUP-7")]


async def test_no_text_of_the_ticket_but_its_subject_is_shown(planted: dict[str, Planted]) -> None:
    found = planted["answered"].found
    shown = found.as_text() + found.as_markdown() + json.dumps(found.as_json())

    assert SUBJECT in shown
    for words in ("DHCP scope", "School Office", "office@school.example", "10.74.16.20"):
        assert words not in shown


async def test_without_postgresql_kafka_tells_what_it_can(world: World, planted: dict[str, Planted]) -> None:
    one = planted["answered"]

    async with sources_around(world.chain.surroundings(), None, why_no_pool="it is away") as sources:
        patient = replace(sources, look_seconds=10.0, answer_seconds=30.0)
        found = await investigate(patient, one.tenant.tenant_id, one.ticket_id)

    assert (found.status, found.note_id) == ("answered", one.found.note_id)
    assert found.facts.missing.keys() == {"postgres", "desk"}
    assert one.found.trace_id == found.trace_id


async def test_without_kafka_the_rows_and_the_desk_tell(world: World, planted: dict[str, Planted]) -> None:
    one = planted["answered"]
    (port,) = free_ports(1)

    async with sources_around(world.chain.surroundings(), world.chain.pool) as sources:
        away = replace(sources, kafka={"bootstrap.servers": f"127.0.0.1:{port}"})
        found = await investigate(away, one.tenant.tenant_id, one.ticket_id)

    assert (found.status, found.note_id) == ("answered", one.found.note_id)
    assert found.facts.missing.keys() == {"kafka"}
    assert found.facts.desk and found.facts.desk.note_there


async def test_without_the_desk_the_rest_is_told(world: World, planted: dict[str, Planted]) -> None:
    found = planted["desk down"].found

    assert "desk" in found.facts.missing
    assert found.diagnosis.cause is Cause.DESK_UNAVAILABLE
