"""An analyst reads `enhancements.delivered` with Confluent's own tools and the contracts alone."""

from __future__ import annotations

import ast
import asyncio
from datetime import datetime
from pathlib import Path

from schemas.topics import Topic
from tests.integration.chain import analyst
from tests.integration.chain.running_chain import PREFIX
from tests.integration.chain.tenant import Tenant

PLATFORM = {"schemas", "ingest", "processors", "sinks", "infra", "tests"}
ALL_ONE_NEEDS = {
    "event_id", "tenant_id", "ticket_id", "enhancement_id", "category", "priority", "text", "citations", "writer", "model",
    "usage", "outcome", "reason", "note_id", "times", "total_ms", "degraded",
}  # fmt: skip


def test_the_analyst_uses_nothing_of_the_platform() -> None:
    tree = ast.parse(Path(analyst.__file__).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert not {name.split(".")[0] for name in imported} & PLATFORM


async def test_confluents_deserializer_reads_what_was_delivered(tenant: Tenant) -> None:
    chain = tenant.chain
    posted, dropped = await tenant.told(), await tenant.ticket()
    await chain.desks.delete_request(tenant.desk, dropped)
    assert (await tenant.webhook(dropped)).status == 202

    topic = Topic.ENHANCEMENTS_DELIVERED.named(PREFIX)
    events = await asyncio.to_thread(analyst.read_topic, chain.kafka, chain.registry, topic, wanted={posted, dropped})

    mine = {event["ticket_id"]: event for event in events if event["tenant_id"] == tenant.tenant_id}
    assert mine[posted].keys() >= ALL_ONE_NEEDS
    (note,) = await tenant.notes(posted)
    assert (mine[posted]["outcome"], mine[posted]["note_id"], mine[posted]["reason"]) == ("posted", note.note_id, None)
    assert (mine[posted]["category"], mine[posted]["priority"], mine[posted]["writer"]) == (
        "Network",
        "High",
        "builtin",
    )
    assert {citation["id"] for citation in mine[posted]["citations"]} >= {"KB-2001", "60001"}
    assert all(isinstance(at, datetime) and at.tzinfo for at in mine[posted]["times"].values())
    assert mine[posted]["total_ms"] > 0
    assert (mine[dropped]["outcome"], mine[dropped]["reason"]) == ("dropped", "ticket_deleted")
    assert mine[dropped]["note_id"] is None


async def test_the_analyst_can_check_every_signature_with_the_public_keys(tenant: Tenant) -> None:
    chain = tenant.chain
    ticket_id = await tenant.told()
    record = await tenant.delivery(ticket_id)
    async with chain.session.get(f"{chain.ingest}/keys") as answer:
        keys = (await answer.json())["keys"]

    headers = {name: value.decode() for name, value in record.headers}
    topic = Topic.ENHANCEMENTS_DELIVERED
    key = analyst.verify(analyst.Signed(topic.named(PREFIX), record.partition, record.key, headers, record.value), keys)

    assert key["service"] == "deliver"
    assert topic.value in key["topics"]


async def test_the_registry_answers_like_a_schema_registry(tenant: Tenant) -> None:
    chain = tenant.chain
    async with chain.session.get(f"{chain.registry}/subjects") as answer:
        subjects = await answer.json()
    assert set(subjects) == {f"{topic.named(PREFIX)}-value" for topic in Topic}
    async with chain.session.get(f"{chain.registry}/schemas/ids/999999") as answer:
        assert answer.status == 404
        assert (await answer.json())["error_code"] == 40403
