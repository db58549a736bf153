"""Every service, and the command line, with its own principal on a broker that refuses everything else: a ticket gets its note."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from infra.ops.local.stack import services
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.infra.runtime.kafka.guarded import GuardedKafka
from tests.integration.own_chain import Premises

PREMISES = Premises("principals", 4)


@pytest.fixture(scope="module")
async def chain(guarded: GuardedKafka, postgres: Any) -> AsyncIterator[RunningChain]:
    """Its services log in as they are called in the plan; the stack itself is a super user."""
    ran = await guarded.ensure(PREMISES.prefix, "--partitions", str(PREMISES.partitions), "--acls")
    assert ran.code == 0, ran.err
    await PREMISES.make_database(postgres)
    environment = {
        **PREMISES.environment(postgres),
        **guarded.variables(),
        "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "86400",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "environment", logged_in(guarded))
        async with (
            PREMISES.folder() as folder,
            PREMISES.running(folder, environment, login=guarded.client) as running,
        ):
            yield running


def logged_in(kafka: GuardedKafka) -> Any:
    """`services.environment`, with each service's own login."""
    usual = services.environment

    def environment(site: services.Site, service: str) -> dict[str, str]:
        return usual(site, service) | kafka.variables(f"ticketstream-{service}")

    return environment


def as_user(chain: RunningChain, kafka: GuardedKafka, service: str) -> RunningChain:
    variables: Mapping[str, str] = kafka.variables(f"ticketstream-{service}")
    return replace(chain, environment={**chain.environment, **variables})


async def test_a_ticket_gets_its_note_and_the_command_line_sees_it(chain: RunningChain, guarded: GuardedKafka) -> None:
    tenant = await TenantShelf(chain)._make("onprem")
    operator, lag = as_user(chain, guarded, "operator"), as_user(chain, guarded, "lag")

    async def edge_knows() -> bool:
        return (await tenant.send(b"{}")).status == 422

    await until(edge_knows, "the edge knows the tenant")
    ticket_id = await tenant.told()

    async def notes() -> Any:
        return await tenant.notes(ticket_id)

    assert len(await until(notes, "the note", seconds=40)) == 1
    stages = (await lag.command("lag", "show"))["stages"]
    assert {name: stage["tenants"].get(tenant.tenant_id, {}).get("lag", 0) for name, stage in stages.items()} == {
        "enrich": 0, "synthesize": 0, "deliver": 0, "feedback_aggregate": 0,
    }  # fmt: skip
    assert (await operator.command("dead-letters", "list"))["dead_letters"] == []
