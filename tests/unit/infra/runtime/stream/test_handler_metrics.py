"""What the runner counts beside an event's outcome: what failed for a tenant, and what was handled again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from infra.runtime.stream.outcomes import DeadLetter, Drop
from infra.runtime.telemetry import metrics
from schemas.reasons import Reason
from schemas.topics import Stage
from tests.unit.infra.runtime.stream.records import TENANT, raw, with_header
from tests.unit.infra.runtime.stream.test_handler import World


@pytest.fixture
async def world() -> World:
    world = World()
    await world.keys.refresh()
    return world


def failed(tenant_id: str = TENANT) -> float:
    labels = {"tenant_id": tenant_id, "outcome": "failed"}
    return REGISTRY.get_sample_value("ticketstream_enhancements_total", labels) or 0.0


def redelivered() -> float:
    return REGISTRY.get_sample_value("ticketstream_events_redelivered_total", {"stage": "enrich"}) or 0.0


async def test_a_dead_letter_of_a_ticket_is_a_failed_enhancement(world: World) -> None:
    before = failed()
    world.decide = lambda _: DeadLetter(Reason.DESK_REFUSED, "no")
    await world.until_done()
    assert failed() - before == 1


async def test_a_copy_that_conflicts_fails_nothing(world: World) -> None:
    before = failed()
    world.decide = lambda _: DeadLetter(Reason.CONFLICTING_DUPLICATE, "twice")
    await world.until_done()
    assert failed() == before


async def test_what_is_not_proven_to_be_a_tenants_is_counted_under_none(world: World) -> None:
    before = failed()
    await world.until_done(with_header(raw(), "signature", b"ed25519;other;" + b"A" * 88))
    assert (failed(), failed("")) == (before, 0.0)


def test_feedback_is_no_enhancement() -> None:
    metrics.count_failed(Stage.FEEDBACK_AGGREGATE, "msp-feedback", Reason.INTERNAL_ERROR)
    assert failed("msp-feedback") == 0


async def test_what_was_read_before_or_done_before_is_counted_as_redelivered(world: World) -> None:
    before = redelivered()
    await world.until_done()
    assert redelivered() == before
    await world.until_done(replace(raw(offset=1), read_before=True))
    world.decide = lambda _: Drop(Reason.UNCHANGED, repeated=True)
    await world.until_done(raw(offset=2))
    assert redelivered() - before == 2


def test_known_tenants_begin_at_0_where_an_alert_counts() -> None:
    metrics.known_tenants(Stage.DELIVER, ["msp-new"])
    metrics.known_tenants(Stage.FEEDBACK_AGGREGATE, ["msp-other"])
    value = REGISTRY.get_sample_value
    for outcome in ("success", "dropped", "failed"):
        assert value("ticketstream_enhancements_total", {"tenant_id": "msp-new", "outcome": outcome}) == 0
    assert value("ticketstream_enhancements_total", {"tenant_id": "msp-other", "outcome": "failed"}) is None
