"""What every State keeps: the fake, and the store in PostgreSQL reached by reconcile's own role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

from infra.ops.reconcile.fakes import FakeState
from infra.ops.reconcile.ports import State
from infra.runtime.postgres.pool import open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.audit_log import Audited
from sinks.postgres.reconcile import Begun, Counts, Ended, ReconcileState

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

CREATED = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
UNTIL = CREATED + timedelta(hours=2)
LEASE = 60.0
_numbers = count(70_001)  # partitions that no topic has


@dataclass
class Stored:
    """One implementation with a tenant of its own; `lapse` lets leases end, `arrive` lets tickets be known."""

    state: State
    tenant_id: str
    lapse: Callable[[], Awaitable[object]]
    arrive: Callable[[str], Awaitable[object]]

    async def begin(self, lease_id: str) -> Begun | None:
        return await self.state.begin(self.tenant_id, lease_id, LEASE)


@pytest.fixture(params=["fake", "postgres"])
def database(request: pytest.FixtureRequest) -> MigratedDatabase | None:
    """None for the fake, which needs no database to be started."""
    if request.param == "fake":
        return None
    found: MigratedDatabase = request.getfixturevalue("postgres")
    return found


@pytest.fixture
async def stored(database: MigratedDatabase | None) -> AsyncIterator[Stored]:
    tenant_id = f"reconcile-{uuid4().hex[:8]}"
    if database is None:
        fake, at = FakeState({tenant_id: CREATED}, lambda: clock[0]), tenant_id
        clock = [0.0]

        async def lapse_fake() -> None:
            clock[0] += LEASE + 1

        async def arrive_fake(ticket_id: str) -> None:
            fake.known.setdefault(at, set()).add(ticket_id)

        yield Stored(fake, tenant_id, lapse_fake, arrive_fake)
        return
    owner = await asyncpg.connect(database.dsn)
    await owner.execute(
        """INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url, created_at)
           VALUES ($1, $2, 'https://x.example', $3)""",
        tenant_id, next(_numbers), CREATED,
    )  # fmt: skip

    async def lapse() -> None:
        await owner.execute(
            "UPDATE reconcile_state SET leased_until = now() - interval '1 second' WHERE tenant_id = $1", tenant_id
        )

    async def arrive(ticket_id: str) -> None:
        await owner.execute(
            """INSERT INTO received_events (tenant_id, event_id, ticket_id, kind, topic, partition, record_offset, body_hash,
               received_at) VALUES ($1, $2, $3, 'created', 't', 0, 0, 'h', now())""",
            tenant_id, uuid4(), ticket_id,
        )  # fmt: skip

    pool = await open_pool(database.dsns["reconcile"], service="reconcile", size=2)
    yield Stored(ReconcileState(pool), tenant_id, lapse, arrive)
    await pool.close()
    await owner.close()


async def test_a_first_run_begins_at_the_tenants_creation(stored: Stored) -> None:
    assert await stored.begin(str(uuid4())) == Begun(CREATED, CREATED)


async def test_of_a_tenant_that_is_not_there_no_run_begins(stored: Stored) -> None:
    assert await stored.state.begin("nobody", str(uuid4()), LEASE) is None


async def test_one_run_at_a_time(stored: Stored) -> None:
    one, other = str(uuid4()), str(uuid4())
    assert await stored.begin(one)
    assert await stored.begin(other) is None
    assert await stored.state.renew(stored.tenant_id, one, LEASE)
    assert not await stored.state.renew(stored.tenant_id, other, LEASE)
    await stored.state.release(stored.tenant_id, other)
    assert await stored.begin(other) is None
    await stored.state.release(stored.tenant_id, one)
    assert await stored.begin(other)


async def test_a_run_whose_lease_ended_loses_its_tenant_to_the_next_and_changes_nothing_any_more(
    stored: Stored,
) -> None:
    one, other = str(uuid4()), str(uuid4())
    await stored.begin(one)
    await stored.lapse()
    assert await stored.begin(other)
    assert not await stored.state.renew(stored.tenant_id, one, LEASE)
    await stored.state.end(stored.tenant_id, one, Ended(UNTIL, CREATED, "complete", Counts()))
    assert await stored.begin(str(uuid4())) is None
    await stored.state.release(stored.tenant_id, other)
    assert await stored.begin(one) == Begun(CREATED, CREATED)


async def test_a_run_goes_on_where_the_last_ended(stored: Stored) -> None:
    lease, first, wait = str(uuid4()), CREATED - timedelta(days=1), UNTIL + timedelta(hours=1)
    await stored.begin(lease)
    await stored.state.end(stored.tenant_id, lease, Ended(UNTIL, first, "failed", Counts(3, 1, 2), wait, "x" * 5000))
    assert await stored.begin(str(uuid4())) == Begun(UNTIL, first, wait)


async def test_tickets_of_which_an_event_was_handled_have_arrived(stored: Stored) -> None:
    await stored.arrive("7")
    assert await stored.state.arrived(stored.tenant_id, ["7", "8"]) == {"7"}
    assert await stored.state.arrived(stored.tenant_id, []) == frozenset()


async def test_imported_history_has_not_arrived_but_a_ticket_with_an_event_has(postgres: MigratedDatabase) -> None:
    tenant_id = f"reconcile-{uuid4().hex[:8]}"
    owner = await asyncpg.connect(postgres.dsn)
    await owner.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://x.example')",
        tenant_id,
        next(_numbers),
    )
    for ticket_id, offset in (("imported", -1), ("told", 0)):
        await owner.execute(
            """INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset)
               VALUES ($1, $2, '', '', 'h', $3)""",
            tenant_id, ticket_id, offset,
        )  # fmt: skip
    await owner.close()
    async with await open_pool(postgres.dsns["reconcile"], service="reconcile", size=1) as pool:
        assert await ReconcileState(pool).arrived(tenant_id, ["imported", "told"]) == {"told"}


async def test_what_was_fed_in_is_kept_and_audited(postgres: MigratedDatabase) -> None:
    tenant_id, lease = f"reconcile-{uuid4().hex[:8]}", str(uuid4())
    owner = await asyncpg.connect(postgres.dsn)
    await owner.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://x.example')",
        tenant_id,
        next(_numbers),
    )
    await owner.close()
    async with await open_pool(postgres.dsns["reconcile"], service="reconcile", size=1) as pool:
        state = ReconcileState(pool)
        await state.begin(tenant_id, lease, LEASE)
        entry = Audited(tenant_id, "reconcile", "reconcile", "2 tickets fed in")
        await state.end(tenant_id, lease, Ended(UNTIL, CREATED, "complete", Counts(6, 1, 2, 3, 0, 0), audited=(entry,)))
    operator = await open_pool(postgres.dsns["operator"], service="operator", size=1)
    async with operator, tenant_transaction(operator, tenant_id) as connection:
        row = await connection.fetchrow("SELECT * FROM reconcile_state")
        (audited,) = await connection.fetch("SELECT who, subject, database_role FROM audit_log")
        assert await connection.execute("DELETE FROM tenant_configs") == "DELETE 1"  # erasing takes the row along
        assert await connection.fetch("SELECT FROM reconcile_state") == []
    assert row
    assert (row["last_result"], row["listed"], row["known"], row["fed_in"], row["too_young"]) == (
        "complete",
        6,
        1,
        2,
        3,
    )
    assert tuple(audited) == ("reconcile", "2 tickets fed in", "ticketstream_reconcile")
