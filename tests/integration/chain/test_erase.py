"""A tenant is erased while its tickets are on their way: nothing of it stays anywhere, and nobody else notices."""

from __future__ import annotations

import asyncio
import html
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from confluent_kafka import OFFSET_INVALID, Consumer, TopicPartition

from infra.ops.local.servicedesk_simulator import DeskFault
from infra.runtime.kafka.partition_records import PartitionRecords
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.events import DeliveryOutcome
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from tests.integration.chain.forgery import Forger, ticket_received
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import PREFIX, PROGRAM, RunningChain
from tests.integration.chain.tenant import FEEDBACK_LINK, Tenant

ERASE = ("erase", "--yes", "--reason", "contract ended, SUP-4711")
_TEXTS = """
SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""


async def test_nothing_of_an_erased_tenant_stays_and_nobody_else_notices(
    tenant: Tenant, other_tenant: Tenant, tmp_path: Path
) -> None:
    canary = f"canary{uuid4().hex}"
    others_ticket = await other_tenant.told()
    await other_tenant.delivered(others_ticket)
    await fill(tenant, canary)
    before = await others(other_tenant)
    await tenant.command("tenant", "disable", "--reason", "contract ended")
    assert canary in await found_in_database(tenant.chain, canary)
    await leaves_with_its_data(tenant, canary, tmp_path / "export")

    await cut_off(tenant)
    receipt = await tenant.command("tenant", *ERASE)

    assert receipt["runs"] == 2 and receipt["secrets"]["webhook secrets"] == 1
    assert receipt["postgres"]["deleted"]["tickets"] >= 3 and receipt["postgres"]["kept"]["audit_log"] >= 3
    assert receipt["kafka"][f"{PREFIX}{Topic.TICKETS_RECEIVED}"]["deleted"] >= 3
    assert receipt["kafka"][f"{PREFIX}{Topic.DEAD_LETTERS}"]["deleted"] == 1
    assert canary not in await found_in_database(tenant.chain, canary)
    assert await found_in_database(tenant.chain, tenant.tenant_id) <= set(receipt["postgres"]["kept"])
    assert await others(other_tenant) == before

    await what_comes_late_is_dropped(tenant)

    for stage in Stage:
        await until(partial(caught_up, tenant, stage), f"{stage} is behind all that was deleted")
    next_ticket = await other_tenant.told()
    assert (await other_tenant.delivered(next_ticket)).outcome is DeliveryOutcome.POSTED
    ends = await extents(tenant)
    late = receipt["kafka"][f"{PREFIX}{Topic.TICKETS_RECEIVED}"]["end_offset"] + 1
    assert ends.pop(f"{PREFIX}{Topic.TICKETS_RECEIVED}") == (late - 1, late)
    assert {topic: end for topic, (_, end) in ends.items()} == {
        topic: told["end_offset"] for topic, told in receipt["kafka"].items() if topic in ends
    }, "no stage wrote anything more"
    assert all(first == end for first, end in ends.values())
    assert await found_in_database(tenant.chain, tenant.tenant_id) <= set(receipt["postgres"]["kept"])


async def fill(tenant: Tenant, canary: str) -> None:
    """A note with an answer about it, a dead letter, and tickets that are held before the desk."""
    chain = tenant.chain
    answered = await tenant.told(subject=f"No network {canary}")
    await tenant.delivered(answered)
    (note,) = await tenant.notes(answered)
    link = FEEDBACK_LINK.search(note.description)
    assert link
    said = {"thumb": "up", "comment": canary}
    async with chain.session.post(html.unescape(link["url"]), data=said) as page:
        assert page.status == 200
    await until(lambda: chain.tap.records(Topic.FEEDBACK_AGGREGATED, tenant.partition), "the feedback is counted")

    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    await tenant.told(subject=f"Refused {canary}")
    await until(lambda: chain.tap.records(Topic.DEAD_LETTERS, tenant.partition), "the dead letter")

    await tenant.faulty(DeskFault(kind="error", status=503))
    for number in range(3):
        await tenant.told(subject=f"Held {number} {canary}")

    async def held() -> bool:
        return ("hold", str(Reason.DESK_UNAVAILABLE)) in await chain.handled(Stage.DELIVER, tenant.tenant_id)

    await until(held, "deliver holds the lane")


async def leaves_with_its_data(tenant: Tenant, canary: str, out: Path) -> None:
    """Also when it is disabled already."""
    manifest = await tenant.command("tenant", "export", "--out", str(out), "--reason", "contract ended")
    rows = {one["kind"]: one["rows"] for one in manifest["files"]}
    assert rows["enhancements_delivered"] >= 1 and rows["feedback"] == 1
    assert canary in (out / "tickets.jsonl").read_text() and canary in (out / "feedback.jsonl").read_text()
    assert tenant.secret not in "".join(path.read_text() for path in out.iterdir())


async def cut_off(tenant: Tenant) -> None:
    """Begin, and be killed when the processes have just been told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "tenant", "erase", tenant.tenant_id, *ERASE[1:], "--json",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**tenant.chain.environment, "TICKETSTREAM_STATE_DIR": str(tenant.chain.stack.state_dir)},
    )  # fmt: skip
    assert process.stderr
    said = await asyncio.wait_for(process.stderr.readline(), 30)
    assert b"drops what it has" in said, said + await process.stderr.read()
    process.kill()
    await process.wait()


async def what_comes_late_is_dropped(tenant: Tenant) -> None:
    """A rightly signed event of a process that did not hear of it."""
    forger = Forger(tenant.chain)
    event = ticket_received(tenant.tenant_id, await tenant.ticket())
    await forger.write(forger.signed(event, Topic.TICKETS_RECEIVED, tenant.partition))
    end = (await extents(tenant))[f"{PREFIX}{Topic.TICKETS_RECEIVED}"][1]

    async def handled() -> bool:
        dropped = await tenant.chain.handled(Stage.ENRICH, "")
        return ("drop", str(Reason.TENANT_ERASED)) in dropped and await committed(tenant, Stage.ENRICH) == end

    await until(handled, "enrich drops it and goes on")


async def caught_up(tenant: Tenant, stage: Stage) -> bool:
    end = (await extents(tenant))[stage.consumes.named(PREFIX)][1]
    return await committed(tenant, stage) in (end, OFFSET_INVALID)


async def committed(tenant: Tenant, stage: Stage) -> int:
    def ask() -> int:
        consumer = Consumer({"bootstrap.servers": tenant.chain.kafka, "group.id": stage.group(PREFIX), "log_level": 0})
        try:
            place = TopicPartition(stage.consumes.named(PREFIX), tenant.partition)
            return int(consumer.committed([place], timeout=10)[0].offset)
        finally:
            consumer.close()

    return await asyncio.to_thread(ask)


async def extents(tenant: Tenant) -> dict[str, tuple[int, int]]:
    records = PartitionRecords({"bootstrap.servers": tenant.chain.kafka}, PREFIX)
    return await asyncio.to_thread(records.extents, tenant.partition)


async def others(tenant: Tenant) -> tuple[Mapping[str, Any], Mapping[str, int]]:
    """What another tenant has: its records' places and its rows."""
    counts = {}
    async with tenant_transaction(tenant.chain.pool, tenant.tenant_id) as connection:
        for table in (
            "tickets",
            "enhancements",
            "note_intents",
            "received_events",
            "knowledge_articles",
            "webhook_secrets",
        ):
            counts[table] = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
    return await extents(tenant), counts


async def found_in_database(chain: RunningChain, text: str) -> set[str]:
    """Tables with a row in which the text stands anywhere, read past row-level security; and the text itself if there are any."""
    connection = await asyncpg.connect(chain.environment["DATABASE_URL"])
    try:
        names = [row["name"] for row in await connection.fetch(_TEXTS)]
        found = {
            name
            for name in names
            if await connection.fetchval(f"SELECT true FROM {name} t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1", text)  # noqa: S608
        }
    finally:
        await connection.close()
    return found | ({text} if found and text.startswith("canary") else set())
