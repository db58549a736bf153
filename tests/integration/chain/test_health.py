"""`ticketstream health` on the running chain: each check says ✗ when the thing is really broken, and never takes long."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.ops.cli.acting import Acting, Operator, Role
from infra.ops.cli.failure import Failure
from infra.ops.health import Finding, Health, check_health
from infra.ops.health.checks.letters import letters_since
from infra.ops.local.servicedesk_simulator import DeskFault
from tests.integration.chain.polling import until
from tests.integration.chain.running_chain import RunningChain
from tests.integration.chain.tenant import Tenant

AT_MOST_SECONDS = 4.5
"""Of the five, what is left to the start of the command."""
MANY = 100


async def health(chain: RunningChain, **other: str) -> Health:
    """Of the chain, with some of its variables changed; never slow."""
    around = chain.surroundings()
    began = time.monotonic()
    found = await check_health(replace(around, given={**around.given, **other}))
    assert time.monotonic() - began < AT_MOST_SECONDS
    return found


async def check(chain: RunningChain, name: str) -> Finding:
    return (await health(chain)).checks[name]


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


async def test_a_chain_that_is_well_is_seen_to_be(chain: RunningChain) -> None:
    found = (await health(chain)).checks

    assert found["processes"].ok and "answer and are well" in found["processes"].detail
    assert found["database"].ok and "migrations are applied" in found["database"].detail
    assert found["edge"].ok and "its clock is right" in found["edge"].detail
    assert found["alerts"].ok is None  # no Prometheus: not known, which is no ✓


async def test_a_process_that_stands_still_is_named(chain: RunningChain) -> None:
    pid = chain.stack.supervisor.status("sealer").pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        found = await check(chain, "processes")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert found.ok is False and "sealer: no answer within 2 s" in found.detail
    assert "ProcessDown.md" in found.next_command


async def test_what_hangs_is_no_answer_and_what_is_away_is_said(chain: RunningChain, silent: str) -> None:
    dsn = f"postgresql://nobody:x@{silent}/none"
    found = (
        await health(
            chain,
            DATABASE_URL_OPERATOR=dsn,
            KAFKA_BOOTSTRAP_SERVERS=silent,
            TICKETSTREAM_PROMETHEUS_URL=f"http://{silent}",
            TICKETSTREAM_PUBLIC_URL="http://127.0.0.1:1",
            TICKETSTREAM_LAG_URL="http://127.0.0.1:1",
        )
    ).checks

    assert {name for name, one in found.items() if one.ok is False} == found.keys() - {"processes"}
    assert found["database"].detail == found["alerts"].detail == "no answer within 2.5 s"
    assert "127.0.0.1:1 can't be reached" in found["edge"].detail and "can't be reached" in found["backlog"].detail
    assert all(one.next_command for one in found.values() if one.ok is False)


async def test_a_backlog_is_told_with_its_tenant(chain: RunningChain, tenant: Tenant) -> None:
    # Slow, but in time: what a desk doesn't answer in time is held, and that would be the desk's matter.
    await tenant.faulty(DeskFault(kind="latency", seconds=4.0, lasting=120.0))
    await asyncio.gather(*(tenant.told() for _ in range(MANY)))

    async def told() -> Finding | None:
        found = await check(chain, "backlog")
        return found if tenant.tenant_id in found.detail and not found.ok else None

    found = await until(told, "the backlog is seen")
    await chain.desks.clear_faults(tenant.desk)
    assert found and re.search(r"\(above (50 warns|100 pages)\)", found.detail)
    assert found.next_command == "ticketstream lag show"


async def test_a_tenant_that_is_held_is_told_with_the_reason_but_not_to_who_may_not_touch_it(
    chain: RunningChain, tenant: Tenant
) -> None:
    await tenant.faulty(DeskFault(kind="error", status=503, lasting=60.0))
    await tenant.told()

    async def told() -> Finding | None:
        found = await check(chain, "held tenants")
        return found if tenant.tenant_id in found.detail else None

    found = await until(told, "it is held")
    assert found and found.ok is False and f"{tenant.tenant_id}: desk_unavailable at " in found.detail

    around = chain.surroundings()
    stranger = Operator("pat", Role.SUPPORT, frozenset({"msp-of-pat"}))
    seen = await check_health(around, Acting(around, chain.pool, stranger))
    await chain.desks.clear_faults(tenant.desk)
    assert seen.checks["held tenants"].ok and tenant.tenant_id not in seen.as_text()


async def test_a_dead_letter_of_the_last_hour_is_counted(chain: RunningChain, tenant: Tenant) -> None:
    await tenant.faulty(DeskFault(kind="error", status=422, operation="add_note", calls=1))
    await tenant.failure(await tenant.told())
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    async def counted() -> int:
        return (await letters_since(chain.surroundings(), hour_ago)).counts["desk_refused", tenant.tenant_id]

    assert await until(counted, "the letter is counted") == 1
    assert "desk_refused" in (await check(chain, "recent errors")).detail
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert not (await letters_since(chain.surroundings(), later)).counts


async def test_a_token_that_is_none_sees_nothing(chain: RunningChain) -> None:
    with pytest.raises(Failure, match="no token that is known here"):
        await health(chain, TICKETSTREAM_OPERATOR_TOKEN="made up")
