"""A tenant that agreed to an outside model, and one that did not, on the same stack."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from infra.ops.bench.figures import resident_megabytes
from infra.ops.local.model_server import ModelFault, ModelServer
from processors.synthesize.breaker import FAILURES
from schemas.events import EnhancementDelivered, Writer
from schemas.topics import Stage
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import CommandFailed
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import SUBJECT, Tenant
from tests.otlp_sink import OtlpSink

PASSWORD, EMAIL, PHONE = "Tr0ub4dor-Blaubeere!", "anna.head@school.example", "+49 4821 5550 179"
SECRETS = (
    f"<div>The tablets get 169.254 addresses. My password: {PASSWORD}<br>"
    f"Write to {EMAIL} or call {PHONE}. DHCP scope looks full, the PC 10.74.16.20 works.</div>"
)


@pytest.fixture(scope="module")
async def agreed(shelf: TenantShelf) -> Tenant:
    """A tenant with `external_model`, switched on as an operator does it."""
    tenant = await shelf.take()
    changed = await tenant.command(
        "tenant", "set", "external_model=true", "--agreed-by", "Head of IT", "--reason", "signed order"
    )
    assert changed["settings"]["external_model"] is True
    await until_model_writes(tenant)
    return tenant


async def until_model_writes(tenant: Tenant) -> None:
    """Settings are effective within 5 s: until then the built-in writer goes on."""

    async def written() -> bool:
        return (await tenant.delivered(await tenant.told())).writer is Writer.MODEL

    await until(written, "the change is effective", seconds=30)  # the first call imports litellm, too


PHRASES = {
    "ingest": ["Webhook received", "Job queued"],
    "enrich": ["Task started", "Context gathered", "Task completed"],
    "synthesize": ["Task started", "Model called", "Note written", "Task completed"],
    "deliver": ["Task started", "ServiceDesk Plus ticket updated", "Task completed"],
}
"""A stage may begin before the stage before has heard that Kafka has its event."""


@pytest.fixture(autouse=True)
async def working_model(model_server: ModelServer) -> AsyncIterator[None]:
    yield
    model_server.faults.clear()


async def prompts_about(model_server: ModelServer, words: str) -> list[dict[str, Any]]:
    """The bodies of all calls whose prompt has these words."""
    return [call["body"] for call in model_server.ledger.calls() if words in json.dumps(call["body"])]


async def test_the_model_writes_the_note_and_the_event_says_what_it_took(
    agreed: Tenant, model_server: ModelServer
) -> None:
    ticket_id = await agreed.told(subject=f"{SUBJECT} (room 21)")
    delivered: EnhancementDelivered = await agreed.delivered(ticket_id)

    assert delivered.writer is Writer.MODEL
    assert (delivered.model, delivered.degraded) == ("gpt-4-turbo", None)
    assert delivered.prompt_version
    usage = delivered.usage
    assert usage.prompt_tokens > 100 and usage.completion_tokens > 50
    assert usage.cost_usd is not None and usage.cost_usd > 0
    assert "KB-2001" in {citation.id for citation in delivered.citations}
    (note,) = await agreed.notes(ticket_id)
    assert "language model gpt-4-turbo" in note.description
    (body,) = await prompts_about(model_server, "room 21")
    assert body["model"].endswith("gpt-4-turbo")
    assert body["provider"]["data_collection"] == "deny"
    assert body["usage"] == {"include": True}


async def test_many_calls_leave_the_process_small(agreed: Tenant) -> None:
    """litellm takes 165 MB when it is loaded; the promise for a stage that has it is 350 MB in all."""
    told = [await agreed.told(subject=f"{SUBJECT} (seat {number})") for number in range(40)]
    for ticket_id in told:
        assert (await agreed.delivered(ticket_id, seconds=60)).writer is Writer.MODEL
    pid = agreed.chain.stack.supervisor.status("synthesize").pid
    assert pid is not None
    assert resident_megabytes(pid) <= 350


async def test_the_key_reaches_the_model_and_stands_in_no_event(agreed: Tenant, model_server: ModelServer) -> None:
    key = agreed.chain.environment["OPENROUTER_API_KEY"]
    ticket_id = await agreed.told(subject=f"{SUBJECT} (room 22)")
    record = await agreed.delivery(ticket_id)

    assert key.encode() not in record.value
    hashes = {call["authorization_hash"] for call in model_server.ledger.calls()}
    assert len(hashes) == 1


async def test_passwords_addresses_and_numbers_never_reach_the_model(agreed: Tenant, model_server: ModelServer) -> None:
    ticket_id = await agreed.told(subject=f"{SUBJECT} (room 23)", description=SECRETS)
    delivered = await agreed.delivered(ticket_id)

    assert delivered.writer is Writer.MODEL
    (body,) = await prompts_about(model_server, "room 23")
    sent = json.dumps(body, ensure_ascii=False)
    assert "169.254" in sent, "the ticket's own words did reach it"
    for secret in (PASSWORD, EMAIL, PHONE, "5550 179", "office@school.example"):
        assert secret not in sent
    assert PASSWORD not in delivered.text


async def test_without_consent_nothing_leaves_on_the_same_stack(tenant: Tenant, model_server: ModelServer) -> None:
    ticket_id = await tenant.told(subject=f"{SUBJECT} (room 24)")
    delivered = await tenant.delivered(ticket_id)

    assert (delivered.writer, delivered.model, delivered.degraded) == (Writer.BUILTIN, None, None)
    assert delivered.usage.prompt_tokens == 0
    assert await prompts_about(model_server, "room 24") == []


async def test_switching_it_on_needs_to_be_agreed_to(tenant: Tenant) -> None:
    with pytest.raises(CommandFailed, match="exit code 2"):
        await tenant.command("tenant", "set", "external_model=true")


async def test_a_model_that_fails_is_tried_again_and_then_replaced(agreed: Tenant, model_server: ModelServer) -> None:
    held_before = (await agreed.chain.handled(Stage.SYNTHESIZE, agreed.tenant_id)).get(("hold", "model_unavailable"), 0)
    model_server.faults.set([ModelFault(kind="error", status=500, retry_after=1)])

    ticket_id = await agreed.told(subject=f"{SUBJECT} (room 25)")
    delivered = await agreed.delivered(ticket_id)

    assert delivered.writer is Writer.BUILTIN
    assert delivered.degraded and "unavailable" in delivered.degraded
    (note,) = await agreed.notes(ticket_id)
    assert "Less than usual" in note.description
    tries = await prompts_about(model_server, "room 25")
    assert len(tries) == 3
    counts = await agreed.chain.handled(Stage.SYNTHESIZE, agreed.tenant_id)
    assert counts["hold", "model_unavailable"] - held_before == 2


async def test_a_model_that_recovers_writes_the_note_after_all(agreed: Tenant, model_server: ModelServer) -> None:
    model_server.faults.set([ModelFault(kind="rate_limit", retry_after=1, calls=1)])

    delivered = await agreed.delivered(await agreed.told(subject=f"{SUBJECT} (room 26)"))

    assert (delivered.writer, delivered.degraded) == (Writer.MODEL, None)


async def test_what_a_model_makes_up_is_taken_out(agreed: Tenant, model_server: ModelServer) -> None:
    said = (
        "## Problem in short\n\nTablets get no address since this morning, as the requester of the ticket says, and the scope "
        "of the class rooms seems to be full, which an earlier case had as well.\n\n## Steps\n\n"
        "1. Look at the scope's statistics and note how many of its addresses are in use at the moment [1].\n"
        "2. Log in to 203.0.113.77 and open it.\n"
        "3. See https://evil.example/collect?ticket=1 for more.\n"
        "4. Remove old leases together with the requester and test the result.\n"
    )
    model_server.faults.set([ModelFault(kind="answer", text=said, calls=1)])

    delivered = await agreed.delivered(ticket_id := await agreed.told(subject=f"{SUBJECT} (room 27)"))

    (note,) = await agreed.notes(ticket_id)
    assert delivered.writer is Writer.MODEL
    assert "Remove old leases" in note.description
    assert "203.0.113.77" not in note.description and "evil.example" not in note.description
    assert delivered.degraded and "removed from the model's text" in delivered.degraded


@pytest.fixture(scope="module")
async def choosy(shelf: TenantShelf, model_server: ModelServer) -> Tenant:
    """A tenant that wants another model instead of a built-in note."""
    tenant = await shelf.take()
    chosen = ("external_model=true", "fallback_model=gpt-4o-mini", "fallback_builtin=false")
    await tenant.command("tenant", "set", *chosen, "--agreed-by", "Head of IT", "--reason", "signed order")
    await until_model_writes(tenant)
    return tenant


async def test_while_its_model_is_away_the_tenants_other_model_writes_and_the_note_says_so(
    choosy: Tenant, model_server: ModelServer
) -> None:
    model_server.faults.set([ModelFault(kind="error", status=500, model="openai/gpt-4-turbo")])

    ticket_id = await choosy.told(subject=f"{SUBJECT} (room 28)")
    delivered = await choosy.delivered(ticket_id)

    assert (delivered.writer, delivered.model) == (Writer.MODEL, "gpt-4o-mini")
    (note,) = await choosy.notes(ticket_id)
    assert "written by gpt-4o-mini, since gpt-4-turbo was away" in note.description


async def test_a_tenant_without_built_in_notes_gets_the_models_when_it_is_back(
    choosy: Tenant, model_server: ModelServer
) -> None:
    model_server.reset()
    model_server.faults.set([ModelFault(kind="error", status=500)])
    told = [await choosy.told(subject=f"{SUBJECT} (room 29, {number})") for number in range(3)]

    async def given_up() -> bool:
        return bool(model_server.ledger.counts()["by_status"].get("500", 0) >= 2 * FAILURES)

    await until(given_up, "both models' breakers have opened", seconds=60)
    model_server.faults.clear()
    for ticket_id in told:
        assert (await choosy.delivered(ticket_id, seconds=60)).writer is Writer.MODEL


async def test_a_support_person_finds_every_step_of_a_ticket_in_the_logs(agreed: Tenant) -> None:
    ticket_id = await agreed.told(subject=f"{SUBJECT} (room 33)")
    await agreed.delivered(ticket_id)

    def steps() -> list[dict[str, Any]]:
        found = agreed.chain.lines(ticket_id)
        return found if [line["event"] for line in found].count("Task completed") == 3 else []

    lines = await until(steps, f"the log lines of {ticket_id}")
    of_each: dict[str, list[str]] = {}
    for line in lines:
        of_each.setdefault(line["service"], []).append(line["event"])
    assert of_each == PHRASES
    assert list(of_each) == list(PHRASES), "one process after the other"
    assert {line["tenant_id"] for line in lines} == {agreed.tenant_id}
    assert all(line["event_id"] for line in lines)
    (trace_id,) = {line["trace_id"] for line in lines}
    assert len(trace_id) == 32
    said = {line["event"]: line for line in lines}
    assert said["Context gathered"]["sources"].keys() == {"ticket_history", "docs", "ip_data"}
    assert said["Model called"]["status"] == "ok" and said["Model called"]["tokens"] > 100
    assert said["Task completed"]["duration_seconds"] > 0
    assert said["ServiceDesk Plus ticket updated"]["seconds_since_webhook"] > 0
    assert "room 33" not in str(lines), "no text of the ticket"


async def test_the_models_call_is_a_part_of_the_tickets_trace(
    agreed: Tenant, collector: OtlpSink, model_server: ModelServer
) -> None:
    ticket_id = await agreed.told(subject=f"{SUBJECT} (room 34)")
    delivered = await agreed.delivered(ticket_id)

    def calls() -> list[Any]:
        return [span for span in collector.about(agreed.tenant_id, ticket_id) if span.name == "chat gpt-4-turbo"]

    (call,) = await until(calls, "the model's call")
    assert call.attributes["gen_ai.request.model"] == "gpt-4-turbo"
    assert call.attributes["gen_ai.usage.input_tokens"] == delivered.usage.prompt_tokens
    assert call.attributes["gen_ai.usage.output_tokens"] == delivered.usage.completion_tokens
    assert call.service == "synthesize"
    assert not any(b"room 34" in body for body in collector.received), "neither question nor answer"
