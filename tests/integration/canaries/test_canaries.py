"""Secrets that can be recognised are planted wherever a secret can be, everything is made to go well and wrong, and then all that
the system wrote or shows is searched for them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from infra.ops.local.servicedesk_simulator import DeskSettings
from tests.integration.canaries import desks, people, places, processes
from tests.integration.canaries.conftest import PREMISES, Aviary
from tests.integration.canaries.flock import PATIENCE, Flock, plant_what_the_stack_made
from tests.integration.canaries.needles import Found
from tests.integration.chain.polling import until
from tests.integration.chain.shelf import STAGES_FOLLOW


async def search(flock: Flock) -> list[Found]:
    needles, chain = flock.needles, flock.chain
    for note in await chain.desks.notes():
        needles.look(f"notes:{note.request_id}", repr(note))
    for call in flock.aviary.model.ledger.calls():
        needles.look("prompts:", json.dumps(call["body"]))
    for body in flock.aviary.collector.received:
        needles.look("traces:", body)
    places.command_lines(needles)
    places.files_of_the_state_folder(needles, chain.stack)
    places.logs_of_the_servers(needles, flock.aviary.session_dir)
    places.records_of_all_topics(needles, flock.aviary, PREMISES.partitions)
    await places.rows_of_all_tables(needles, flock.aviary.superuser)
    await places.what_processes_show(needles, chain.stack, chain.session)
    return needles.found


@pytest.mark.timeout(400)
async def test_no_secret_is_found_in_anything_that_was_written(aviary: Aviary, tmp_path: Path) -> None:
    flock = Flock(aviary, tmp_path)
    plant_what_the_stack_made(flock)
    old_key = flock.plant("desk key")
    client = {
        "client_id": "client",
        "client_secret": flock.plant("client secret"),
        "refresh_token": flock.plant("refresh"),
    }
    credential = json.dumps({**client, "accounts_url": aviary.chain.desks.url})
    onprem = await flock.tenant("onprem", DeskSettings(kind="onprem", key=old_key), old_key, external_model=True)
    cloud = await flock.tenant("cloud", DeskSettings(kind="cloud", **client), credential)

    async def known() -> bool:
        return (await cloud.send(b"{}")).status == 422

    await until(known, "the edge knows the tenants", seconds=PATIENCE)
    await asyncio.sleep(STAGES_FOLLOW)
    ticket = await onprem.told()
    await onprem.delivered(ticket, seconds=PATIENCE)
    await desks.a_feedback_link(flock, (await onprem.notes(ticket))[0].description)
    engineer = await people.the_first_engineer(flock)
    await asyncio.gather(
        desks.well_and_wrong_at_the_edge(flock, onprem),
        desks.a_cloud_desk_refuses(flock, cloud, DeskSettings(kind="cloud", **client), credential),
        processes.a_process_that_refuses_its_settings(flock),
        people.persons_at_work(flock, engineer, onprem),
        desks.a_desk_fails(flock, onprem),
    )
    await asyncio.gather(
        desks.a_key_changes(flock, onprem, old_key),
        desks.a_desk_that_cannot_sign(flock, engineer, onprem),
        processes.kafka_refuses_a_login(flock),
    )
    await asyncio.gather(people.operators_mistakes(flock, onprem), processes.a_process_dies(flock, "reconcile"))

    assert await search(flock) == []

    assert len(flock.needles.names) > 65, "all were planted"
    kinds = {"commands", "dead letters", "HTTP", "notes", "processes", "prompts", "ps", "servers' logs", "state folder"}
    assert set(flock.needles.searched) == kinds | {"topics", "tables", "PostgreSQL's views", "traces"}
    assert min(flock.needles.searched.values()) > 100, "something was searched everywhere"
    for name, status in aviary.chain.stack.supervisor.statuses().items():
        assert status.pid
        assert "TICKETSTREAM_OPERATOR_TOKEN" not in places.environment_of(status.pid), name
