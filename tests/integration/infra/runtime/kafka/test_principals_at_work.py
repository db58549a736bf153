"""Every service, and the command line, with its own principal on a broker that refuses everything else: a ticket gets its note."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest

from infra.ops.local.servicedesk_simulator import SimulatorControl
from infra.ops.local.stack import LocalStack, StackOptions, WantedPorts, services
from infra.runtime.postgres.pool import open_pool
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.shelf import TenantShelf
from tests.integration.infra.runtime.kafka.guarded import GuardedKafka

PREFIX = "work."
DATABASE = "principals"


@pytest.fixture(scope="module")
async def chain(guarded: GuardedKafka, postgres: Any) -> AsyncIterator[RunningChain]:
    """Its services log in as they are called in the plan; the stack itself is a super user."""
    ran = await guarded.ensure(PREFIX, "--partitions", "4", "--acls")
    assert ran.code == 0, ran.err
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    urls = {"": postgres.dsn} | {f"_{service.upper()}": dsn for service, dsn in postgres.dsns.items()}
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ},
        **{f"DATABASE_URL{end}": urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}")) for end, dsn in urls.items()},
        **guarded.variables(),
        "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
        "TICKETSTREAM_RECONCILE_INTERVAL_SECONDS": "86400",
    }
    folder = Path(tempfile.mkdtemp(prefix="ts-principals-"))
    stack = LocalStack(StackOptions(folder, WantedPorts.any_free(), environment=environment))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "environment", logged_in(guarded))
        async with stack, aiohttp.ClientSession() as session:
            pool = await open_pool(environment["DATABASE_URL_OPERATOR"], service="operator")
            desks = SimulatorControl(stack.endpoints.servicedesk or "", session)
            yield RunningChain(stack, environment, session, pool, desks, tap=cast(Any, None))
            await pool.close()
    shutil.rmtree(folder, ignore_errors=True)


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
