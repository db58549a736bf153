"""Tenants kept apart while everything runs: each process probes and finds nothing; what was signed for two tenants is counted, and
written into the audit log of both."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from infra.runtime.kafka.producer import Record
from infra.runtime.postgres.tenant import tenant_transaction
from schemas.topics import Stage
from tests.integration.chain.forgery import Forger
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.chain.tenant import Tenant
from tests.integration.chain.test_not_ours import Scene, anothers_value, bad_signature, misplaced, moved

PROCESSES = ("ingest", *(stage.value for stage in Stage), "reconcile", "console", "sealer")
PROBED = re.compile(r"^ticketstream_isolation_probe_timestamp_seconds ([0-9.e+]+)$", re.MULTILINE)
COUNTED = re.compile(r'^ticketstream_tenant_isolation_violations_total\{kind="(\w+)"\} ([0-9.e+]+)$', re.MULTILINE)


async def metrics(chain: RunningChain, process: str) -> str:
    async with chain.session.get(f"{chain.stack.endpoints.internal[process]}/metrics") as answer:
        return await answer.text()


async def violations(chain: RunningChain, process: str) -> dict[str, float]:
    return {kind: float(count) for kind, count in COUNTED.findall(await metrics(chain, process))}


async def audited(chain: RunningChain, tenant_id: str) -> list[tuple[str, str, str]]:
    async with tenant_transaction(chain.pool, tenant_id) as connected:
        rows = await connected.fetch(
            "SELECT * FROM audit_log WHERE operation = 'isolation violation' ORDER BY audit_id"
        )
    return [(row["who"], row["subject"], row["new_value"]) for row in rows]


@pytest.mark.parametrize("process", PROCESSES)
async def test_every_process_probes_and_sees_no_foreign_row(
    chain: RunningChain, shelf: TenantShelf, process: str
) -> None:
    """With the tenants, tickets and notes of the tests before."""
    await shelf.take()
    asked = time.time()

    async def probed() -> bool:
        found = PROBED.search(await metrics(chain, process))
        return found is not None and float(found[1]) > asked

    await until(probed, "a probe")
    counted = await violations(chain, process)

    assert counted.keys() == {"event_fields", "note_tenant", "refused_write", "prober"}
    assert {kind for kind, count in counted.items() if count and kind != "event_fields"} == set()


@pytest.fixture(scope="module")
async def victims(shelf: TenantShelf) -> tuple[Tenant, Tenant]:
    return await shelf.take(), await shelf.take()


@pytest.fixture
def scene(request: pytest.FixtureRequest, chain: RunningChain, victims: tuple[Tenant, Tenant]) -> Scene:
    return Scene(request.param, Forger(chain), *victims)


async def set_aside(scene: Scene, record: Record) -> None:
    at = await scene.forger.write(record)
    await scene.tenant.chain.tap.letter_for(at.topic, at.partition, at.offset)


@pytest.mark.parametrize("scene", list(Stage), indirect=True, ids=str)
@pytest.mark.parametrize("make", [misplaced, moved, anothers_value], ids=lambda make: str(make.__name__))
async def test_an_event_of_two_tenants_is_counted_and_audited_under_both(
    chain: RunningChain, scene: Scene, make: Callable[[Scene], Record]
) -> None:
    counted = await violations(chain, scene.stage.value)
    both = (scene.tenant.tenant_id, scene.neighbour.tenant_id)
    known = [len(await audited(chain, tenant_id)) for tenant_id in both]
    await set_aside(scene, make(scene))

    async def written() -> list[list[tuple[str, str, str]]] | None:
        entries = [await audited(chain, tenant_id) for tenant_id in both]
        return entries if all(len(found) > before for found, before in zip(entries, known, strict=True)) else None

    entries = await until(written, "an entry in both audit logs")
    assert entries is not None
    assert (await violations(chain, scene.stage.value))["event_fields"] == counted["event_fields"] + 1
    for found, before, other in zip(entries, known, reversed(both), strict=True):
        [(who, kind, detail)] = found[before:]
        assert (who, kind) == (scene.stage.value, "event_fields")
        assert other not in detail


@pytest.mark.parametrize("scene", [Stage.ENRICH, Stage.DELIVER], indirect=True, ids=str)
async def test_a_forged_event_is_a_dead_letter_and_no_violation(chain: RunningChain, scene: Scene) -> None:
    counted, entries = await violations(chain, scene.stage.value), await audited(chain, scene.tenant.tenant_id)
    await set_aside(scene, bad_signature(scene))

    assert await violations(chain, scene.stage.value) == counted
    assert await audited(chain, scene.tenant.tenant_id) == entries
