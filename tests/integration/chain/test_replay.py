"""Replays through the whole chain: what an incident kept from its note gets it, once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.ops.local.servicedesk_simulator import DeskFault
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.events import DeliveryOutcome
from schemas.reasons import Reason
from schemas.topics import SIGNED_BY, Stage, Topic
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import MARKER, Tenant
from tests.otlp_sink import OtlpSink

YES = ("--yes", "--reason", "a test")


@pytest.fixture(autouse=True)
def signing_key(chain: RunningChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the stack keeps it; its commands get all other variables from the environment here."""
    file = Path(chain.stack.state_dir) / "secrets" / "signing" / "replay.pem"
    assert file.exists() and "replay" in SIGNED_BY
    monkeypatch.setitem(chain.environment, "TICKETSTREAM_REPLAY_SIGNING_KEY_FILE", str(file))


async def letters(tenant: Tenant, *words: str) -> dict[str, Any]:
    return await tenant.chain.command("dead-letters", "replay", "--tenant", tenant.tenant_id, *words)


async def test_a_ticket_that_the_desk_refused_gets_its_note_once_the_desk_is_mended(tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note"))
    ticket_id = await tenant.told()
    synthesized = await tenant.chain.tap.first(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, ticket_id)
    await tenant.chain.tap.letter_for(Topic.ENHANCEMENTS_SYNTHESIZED, tenant.partition, synthesized.offset)
    assert await tenant.failure(ticket_id)
    await tenant.chain.desks.clear_faults(tenant.desk)

    shown = await letters(tenant)
    assert (shown["to_replay"], shown["replayed"]) == (1, 0)
    assert (await letters(tenant, "--yes"))["replayed"] == 1

    delivered = await tenant.delivered(ticket_id)
    assert delivered.outcome is DeliveryOutcome.POSTED
    assert (await letters(tenant, "--yes"))["already_replayed"] == 1
    assert (await letters(tenant, "--yes", "--again"))["replayed"] == 1
    assert (await tenant.delivered(ticket_id, 2)).reason == Reason.ALREADY_ANSWERED
    assert len(await tenant.notes(ticket_id)) == 1


async def test_a_window_is_replayed_for_what_has_no_note_and_with_again_for_the_rest(
    tenant: Tenant, collector: OtlpSink
) -> None:
    since = datetime.now(UTC).isoformat()
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    asked = ("replay", "--stage", "deliver", "--tenant", tenant.tenant_id, "--since", since)

    left = await tenant.chain.command(*asked, *YES)
    assert (left["selected"], left["replayed"], left["answered"]) == (1, 0, 1)
    done = await tenant.chain.command(*asked, *YES, "--again")
    assert done["replayed"] == 1

    assert (await tenant.delivered(ticket_id, 2)).outcome is DeliveryOutcome.POSTED
    first, second = await tenant.notes(ticket_id)
    assert set(MARKER.findall(first.description)) != set(MARKER.findall(second.description))
    assert "replaces" in second.description.lower()
    await require_linked_traces(tenant, ticket_id, collector)


async def require_linked_traces(tenant: Tenant, ticket_id: str, collector: OtlpSink) -> None:
    """The replay's trace begins anew, names the original's, and goes on to the second note."""
    original, replayed = (one.header("traceparent")[3:35] for one in tenant.deliveries(ticket_id))
    assert original != replayed

    def links() -> list[tuple[str, ...]]:
        found = [span for span in collector.about(tenant.tenant_id, ticket_id) if span.trace_id == replayed]
        return [span.links for span in found if span.name == "replay"]

    assert await until(links, "the replay's trace") == [(original,)]


async def test_tickets_of_a_window_go_back_to_enrich_and_get_a_second_note_with_again(tenant: Tenant) -> None:
    since = datetime.now(UTC).isoformat()
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)

    words = ("replay", "--stage", "deliver", "--to", "enrich", "--tenant", tenant.tenant_id, "--since", since)
    assert (await tenant.chain.command(*words, *YES, "--again"))["replayed"] == 1

    assert (await tenant.delivered(ticket_id, 2)).outcome is DeliveryOutcome.POSTED
    enriched = tenant.chain.tap.records(Topic.TICKETS_ENRICHED, tenant.partition, ticket_id)
    assert [one.event.again for one in enriched] == [False, True]
    assert len(await tenant.notes(ticket_id)) == 2


async def test_an_older_content_that_is_replayed_does_not_come_back(tenant: Tenant) -> None:
    """The replayed event stands behind the edit in the topic, and is older all the same."""
    since = datetime.now(UTC).isoformat()
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    (first,) = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)
    until_then = datetime.now(UTC).isoformat()
    await tenant.edit(ticket_id, description="<div>Now the printer is away, too.</div>")
    assert (await tenant.webhook(ticket_id)).status == 202
    newer = await tenant.delivered(ticket_id, 2, seconds=40)

    words = ("replay", "--stage", "enrich", "--tenant", tenant.tenant_id, "--since", since, "--until", until_then)
    assert (await tenant.chain.command(*words, *YES, "--again"))["replayed"] == 1

    assert await tenant.handled(Stage.ENRICH, "drop", Reason.SUPERSEDED) == 1
    assert len(await tenant.notes(ticket_id)) == 2

    async def history() -> list[Any]:
        query = "SELECT content_hash FROM tickets WHERE tenant_id = $1 AND ticket_id = $2"
        async with tenant_transaction(tenant.chain.pool, tenant.tenant_id) as connection:
            return await connection.fetch(query, tenant.tenant_id, ticket_id)

    (row,) = await until(history, "the ticket's history")
    assert row["content_hash"] == newer.content_hash != first.event.ticket.content_hash
