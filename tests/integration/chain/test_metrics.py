"""What Prometheus finds in the running processes after one ticket and one answer: every step counted, under its tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from infra.ops.metrics.processes import PROCESSES
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import Tenant

Samples: TypeAlias = dict[tuple[str, frozenset[tuple[str, str]]], float]
STAGES = ("enrich", "synthesize", "deliver")


async def samples(chain: RunningChain, process: str) -> Samples:
    async with chain.session.get(f"{chain.stack.endpoints.internal[process]}/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((f"ticketstream_{name}", frozenset(labels.items())))


async def counted(tenant: Tenant, process: str, least: Callable[[Samples], bool]) -> Samples:
    """A process's samples, once they are as wanted."""

    async def look() -> Samples | None:
        found = await samples(tenant.chain, process)
        return found if least(found) else None

    found = await until(look, f"counters of {process}")
    assert found is not None
    return found


async def test_a_ticket_leaves_its_counts_at_every_stage(tenant: Tenant) -> None:
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    of_tenant = {"tenant_id": tenant.tenant_id}
    for stage in STAGES:
        of_stage = {"stage": stage}

        def handled(found: Samples, stage: str = stage) -> bool:
            return value(found, "events_handled_total", stage=stage, outcome="emit", reason="", **of_tenant) == 1

        found = await counted(tenant, stage, handled)
        assert (value(found, "event_handling_seconds_count", **of_stage) or 0) >= 1
        assert (value(found, "slots", **of_stage) or 0) >= 1
        assert value(found, "events_redelivered_total", **of_stage) is not None
        assert value(found, "enhancements_total", outcome="failed", **of_tenant) == 0

    found = await samples(tenant.chain, "deliver")
    assert value(found, "enhancements_total", outcome="success", **of_tenant) == 1
    assert value(found, "enhancements_total", outcome="dropped", **of_tenant) == 0
    assert value(found, "webhook_to_note_seconds_count", **of_tenant) == 1
    assert 0 < (value(found, "webhook_to_note_seconds_sum", **of_tenant) or 0) < 60
    assert value(found, "desk_requests_total", operation="get_request", status="2xx", **of_tenant) == 1
    assert value(found, "desk_requests_total", operation="add_note", status="2xx", **of_tenant) == 1

    found = await samples(tenant.chain, "enrich")
    for source in ("ticket_history", "docs", "ip_data"):
        assert (value(found, "source_seconds_count", source=source) or 0) >= 1
        assert value(found, "source_failures_total", source=source, reason="timeout") is not None

    found = await samples(tenant.chain, "ingest")
    assert value(found, "webhooks_total", outcome="queued", **of_tenant) == 1
    assert value(found, "webhooks_total", outcome="bad_signature", **of_tenant) == 0


async def test_an_answer_of_a_technician_is_counted_and_among_the_recent_ones(tenant: Tenant) -> None:
    chain = tenant.chain
    ticket_id = await tenant.told()
    await tenant.delivered(ticket_id)
    token = (await tenant.command("token", "create"))["token"]
    said = {"ticket_id": ticket_id, "rating": 2, "minutes_saved": 15}
    url, headers = f"{chain.ingest}/api/v1/feedback", {"Authorization": f"Bearer {token}"}
    async with chain.session.post(url, json=said, headers=headers) as answer:
        assert answer.status == 202, await answer.text()

    of_tenant = {"tenant_id": tenant.tenant_id}
    found = await counted(
        tenant, "feedback_aggregate", lambda found: value(found, "feedback_recent_ratings", **of_tenant) == 1
    )
    assert value(found, "feedback_recent_rating", **of_tenant) == 2
    assert value(found, "feedback_answers_total", feedback_type="rating", **of_tenant) == 1
    assert value(found, "feedback_ratings_total", rating="2", **of_tenant) == 1
    assert value(found, "feedback_minutes_saved_total", **of_tenant) == 15
    assert value(found, "feedback_minutes_saved_answers_total", **of_tenant) == 1


async def test_every_process_tells_of_its_pool_its_loop_and_its_clock(chain: RunningChain, tenant: Tenant) -> None:
    running = [process for process in PROCESSES if process in chain.stack.endpoints.internal]
    assert len(running) >= 7
    for process in running:
        found = await samples(chain, process)
        assert 1 <= (value(found, "database_pool_max_connections") or 0) <= 8, process
        states = {state: value(found, "database_pool_connections", state=state) for state in ("in_use", "idle")}
        assert 1 <= sum(count or 0 for count in states.values()) <= 8, (process, states)
        assert (value(found, "database_wait_seconds_count") or 0) >= 1, process
        assert value(found, "database_errors_total") is not None, process
        assert (value(found, "event_loop_lag_seconds_count") or 0) >= 1, process
        assert abs(value(found, "clock_skew_seconds", reference="database") or 0.0) < 2, "the same machine's clock"
        assert any(name == "ticketstream_build_info" for name, _ in found), process
    for process in ("ingest", *STAGES):
        skew = value(await samples(chain, process), "clock_skew_seconds", reference="broker")
        assert skew is not None, process
        assert abs(skew) < 2, "the same machine's clock"
