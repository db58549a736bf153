"""Tickets whose webhook never arrived get their note all the same, and nothing gets two."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import psutil
import pytest

from infra.ops.local.free_ports import free_ports
from infra.ops.local.servicedesk_simulator import DeskFault
from infra.ops.local.servicedesk_simulator.settings import WebhookTarget
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.reasons import Reason
from schemas.topics import Stage, Topic
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import CommandFailed, RunningChain
from tests.integration.chain.shelf import TenantShelf, desk_of
from tests.integration.chain.tenant import Tenant


async def reconciled(tenant: Tenant, *words: str) -> dict[str, Any]:
    """The tenant's row of `ticketstream reconcile`."""
    (row,) = (await tenant.chain.command("reconcile", "--tenant", tenant.tenant_id, *words))["tenants"]
    assert row["tenant_id"] == tenant.tenant_id
    return dict(row)


async def without_an_edge(tenant: Tenant, form: str) -> None:
    """From now on the desk's webhooks find nobody listening, and it tries each twice."""
    settings, _ = desk_of(tenant.tenant_id, form, tenant.chain)
    target = WebhookTarget(url=f"http://127.0.0.1:{free_ports(1)[0]}/", secret=tenant.secret, attempts=2)
    await tenant.chain.desks.put_desk(tenant.desk, settings.model_copy(update={"webhook": target}))


async def gave_up(tenant: Tenant, number: int) -> None:
    """So many webhooks of the desk were not taken, and won't be sent again."""

    async def look() -> bool:
        sent = await tenant.chain.desks.webhooks(tenant.desk)
        return len(sent) >= number and all(one["done"] and one["status"] == 0 for one in sent)

    await until(look, f"{tenant.desk} gave its webhooks up")


@pytest.mark.parametrize("form", ["onprem", "cloud"])
async def test_tickets_made_while_the_edge_is_down_get_one_note_each(shelf: TenantShelf, form: str) -> None:
    tenant = await shelf.take(form)
    told = await tenant.told()
    await tenant.delivered(told)
    await without_an_edge(tenant, form)
    missed = [await tenant.ticket(subject=f"Room {number} without network") for number in range(5)]
    closed = await tenant.ticket(status="Closed")
    await gave_up(tenant, 6)

    planned = await reconciled(tenant, "--dry-run")
    assert sorted(planned["tickets"]) == sorted(missed)
    first = await reconciled(tenant)

    assert first["result"] == "complete"
    assert sorted(first["tickets"]) == sorted(missed)
    assert (first["listed"], first["known"], first["closed"], first["fed_in"]) == (7, 1, 1, 5)
    for ticket_id in missed:
        await tenant.delivered(ticket_id)
    second = await reconciled(tenant)  # our notes changed these tickets
    assert (second["fed_in"], second["known"]) == (0, 6)
    assert [len(await tenant.notes(ticket_id)) for ticket_id in (told, *missed, closed)] == [1, 1, 1, 1, 1, 1, 0]
    records = tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, missed[0])
    assert [(record.event.kind, record.event.delivery_id) for record in records] == [("reconciled", None)]


async def test_a_webhook_that_comes_after_all_is_unchanged(tenant: Tenant) -> None:
    ticket_id = await tenant.ticket()
    assert (await reconciled(tenant))["fed_in"] == 1
    assert (await tenant.webhook(ticket_id)).status == 202

    await tenant.delivered(ticket_id)
    await tenant.handled(Stage.ENRICH, "drop", Reason.UNCHANGED)
    assert len(await tenant.notes(ticket_id)) == 1


async def test_where_a_role_has_its_password_beside_its_address_the_command_takes_that(tenant: Tenant) -> None:
    """As the chart gives both to the console: PGPASSWORD is the operator's there."""
    chain = tenant.chain
    own = urlsplit(chain.environment["DATABASE_URL_RECONCILE"])
    assert own.username and own.password
    without = own._replace(netloc=f"{own.username}@{own.netloc.rpartition('@')[2]}").geturl()
    given = {**chain.environment, "DATABASE_URL_RECONCILE": without, "PGPASSWORD": "another's"}
    ticket_id = await tenant.ticket()

    with pytest.raises(CommandFailed, match="PostgreSQL"):
        await replace(chain, environment=given).command("reconcile", "--tenant", tenant.tenant_id)
    found = await replace(chain, environment=given | {"PGPASSWORD_RECONCILE": unquote(own.password)}).command(
        "reconcile", "--tenant", tenant.tenant_id
    )
    assert found["tenants"][0]["tickets"] == [ticket_id]


async def test_a_webhook_and_reconcile_at_the_same_time_give_one_note(tenant: Tenant) -> None:
    tickets = [await tenant.ticket(subject=f"Printer {number} is offline") for number in range(4)]
    row, *answers = await asyncio.gather(reconciled(tenant), *(tenant.webhook(ticket_id) for ticket_id in tickets))

    assert [answer.status for answer in answers] == [202] * 4
    assert row["known"] + row["fed_in"] == 4
    for ticket_id in tickets:
        await tenant.delivered(ticket_id)
    assert (await reconciled(tenant))["known"] == 4
    assert [len(await tenant.notes(ticket_id)) for ticket_id in tickets] == [1, 1, 1, 1]


async def test_two_reconciles_at_the_same_time_feed_a_ticket_in_once(tenant: Tenant) -> None:
    ticket_id = await tenant.ticket()
    rows = await asyncio.gather(reconciled(tenant), reconciled(tenant))
    await tenant.delivered(ticket_id)
    assert sum(row["fed_in"] for row in rows) == 1
    assert len(tenant.chain.tap.records(Topic.TICKETS_RECEIVED, tenant.partition, ticket_id)) == 1


async def test_a_desk_that_is_down_is_named_and_the_next_run_loses_nothing(tenant: Tenant) -> None:
    ticket_id = await tenant.ticket()
    await tenant.faulty(DeskFault(kind="error", status=500))
    with pytest.raises(CommandFailed, match="exit code 1"):
        await reconciled(tenant)
    async with tenant_transaction(tenant.chain.pool, tenant.tenant_id) as connection:
        row = await connection.fetchrow("SELECT last_result, last_error FROM reconcile_state")
    assert row
    assert row["last_result"] == "failed"
    assert "ticketstream tenant show" in row["last_error"]

    await tenant.chain.desks.clear_faults(tenant.desk)
    assert (await reconciled(tenant))["tickets"] == [ticket_id]
    await tenant.delivered(ticket_id)


async def test_the_process_is_ready_small_and_gone_within_ten_seconds(chain: RunningChain) -> None:
    internal = chain.stack.endpoints.internal["reconcile"]
    for path in ("/livez", "/readyz", "/health", "/metrics"):
        async with chain.session.get(internal + path) as answer:
            assert answer.status == 200, path
            text = await answer.text()
    assert "ticketstream_reconcile_last_round_timestamp_seconds" in text
    before = chain.stack.supervisor.status("reconcile")
    assert before.pid
    assert psutil.Process(before.pid).memory_info().rss < 100 * 1024 * 1024

    os.kill(before.pid, signal.SIGTERM)
    await until(lambda: not psutil.pid_exists(before.pid or 0), "reconcile is gone", seconds=10.0)
    await until(lambda: chain.stack.supervisor.status("reconcile").restarts > before.restarts, "it is started again")
    assert chain.stack.supervisor.status("reconcile").exit_code == 0


async def test_an_unknown_tenant_is_wrong_use(tenant: Tenant) -> None:
    with pytest.raises(
        CommandFailed, match=r"exit code 2\nthere is no tenant msp-nobody: see: ticketstream tenant list"
    ):
        await reconciled(replace(tenant, tenant_id="msp-nobody"))
