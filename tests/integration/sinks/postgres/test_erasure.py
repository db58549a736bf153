"""A tenant's rows are deleted from every table there is, another's stay, and a run that was cut off goes on."""

from __future__ import annotations

import asyncpg
import pytest

from infra.runtime.keys.rings import KeyRing
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from sinks.postgres import erasure
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.erasure import KEPT, TENANTS, TenantEnabled, TenantErasure
from sinks.postgres.operator_tokens import NewOperatorToken, OperatorTokens, Role
from sinks.postgres.tenant_directory import TenantDirectory
from sinks.postgres.tenants import Change, ErasedLately, NewTenant, NoSuchTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.integration.sinks.postgres.conftest import MANY_PARTITIONS, MakeTenant

CHANGE = Change("test", "the client asked for it", role="engineer")
ENDS = {"tickets.received": (2, 7)}
_UNTOUCHABLE = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT (has_table_privilege(c.oid, 'DELETE') AND has_column_privilege(c.oid, 'tenant_id', 'SELECT'))
"""


@pytest.fixture
def leaving(operator: Pool) -> TenantErasure:
    return TenantErasure(operator)


@pytest.fixture
async def disabled(operator: Pool, tenant: str) -> str:
    await fill(operator, tenant)
    await TenantStore(operator).enable(tenant, False, CHANGE)
    return tenant


async def fill(pool: Pool, tenant: str, tickets: int = 3) -> None:
    async with tenant_transaction(pool, tenant) as connected:
        for number in range(tickets):
            await connected.execute(
                "INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset) "
                "VALUES ($1, $2, 's', 'd', 'h', 1)", tenant, str(number),
            )  # fmt: skip
            await connected.execute(
                "INSERT INTO ticket_addresses (tenant_id, address, ticket_id) VALUES ($1, '10.0.0.1', $2)", tenant, str(number)
            )  # fmt: skip


async def rows(pool: Pool, tenant: str, table: str) -> int:
    async with tenant_transaction(pool, tenant) as connected:
        return int(await connected.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tenant))  # noqa: S608


async def erased(leaving: TenantErasure, tenant: str) -> erasure.RowsTold:
    await leaving.begin(tenant, ENDS, CHANGE)
    await leaving.delete_rows(tenant)
    return await leaving.finish(tenant)


async def test_every_table_with_a_tenant_can_be_emptied_or_is_known_to_stay(operator: Pool) -> None:
    async with connection(operator) as connected:
        untouchable = {row["relname"] for row in await connected.fetch(_UNTOUCHABLE)}

    assert untouchable <= set(KEPT), "grant DELETE to ticketstream_operator, or say in KEPT why and until when it stays"


async def test_those_that_refer_to_others_come_first(leaving: TenantErasure) -> None:
    tables = await leaving.tables()

    assert tables.index("ticket_addresses") < tables.index("tickets") < tables.index(TENANTS) == len(tables) - 1
    assert not set(tables) & set(KEPT)


async def test_nothing_of_the_tenant_stays_but_what_is_named_and_all_of_another(
    leaving: TenantErasure, operator: Pool, disabled: str, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    other = await make_tenant()
    await fill(operator, other)

    told = await erased(leaving, disabled)

    assert {table: await rows(operator, disabled, table) for table in await leaving.tables()} == dict.fromkeys(
        await leaving.tables(), 0
    )
    assert {
        "tickets": 3,
        "ticket_addresses": 3,
        "webhook_secrets": 1,
        "tenant_configs": 1,
    }.items() <= told.deleted.items()
    assert told.kept["audit_log"] >= 3
    assert await rows(operator, other, "tickets") == 3 and await rows(operator, other, "webhook_secrets") == 1


async def test_an_enabled_tenant_is_not_erased(leaving: TenantErasure, tenant: str) -> None:
    with pytest.raises(TenantEnabled):
        await leaving.begin(tenant, ENDS, CHANGE)


async def test_one_that_never_was_is_unknown(leaving: TenantErasure) -> None:
    with pytest.raises(NoSuchTenant):
        await leaving.partition_of("never-was")


async def test_a_run_that_was_cut_off_goes_on_and_tells_the_whole(
    leaving: TenantErasure, operator: Pool, disabled: str
) -> None:
    first = await leaving.begin(disabled, ENDS, CHANGE)
    async with tenant_transaction(operator, disabled) as connected:  # where it was killed
        await connected.execute("DELETE FROM ticket_addresses WHERE tenant_id = $1", disabled)
        await connected.execute(erasure._COUNT, disabled, "ticket_addresses", 3)

    again = await leaving.begin(disabled, {"tickets.received": (7, 7)}, CHANGE)
    await leaving.delete_rows(disabled)
    told = await leaving.finish(disabled)

    assert (first.runs, again.runs) == (1, 2) and again.records == {"tickets.received": (2, 7)}
    assert told.deleted["ticket_addresses"] == 3 and told.deleted["tickets"] == 3


async def test_once_more_after_the_end_gives_the_same_numbers(leaving: TenantErasure, disabled: str) -> None:
    first = await erased(leaving, disabled)
    again = await erased(leaving, disabled)

    assert again.deleted == first.deleted


async def test_a_row_that_comes_late_does_not_stop_it(
    leaving: TenantErasure, operator: Pool, disabled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PASS_SECONDS", 0.0)
    late = iter([True])
    delete_some = TenantErasure._delete_some

    async def slow(self: TenantErasure, tenant_id: str, table: str) -> int:
        if table == TENANTS and next(late, False):
            await fill(operator, tenant_id, tickets=1)
        return await delete_some(self, tenant_id, table)

    monkeypatch.setattr(TenantErasure, "_delete_some", slow)

    assert (await erased(leaving, disabled)).deleted["tickets"] == 4
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await fill(operator, disabled)


async def test_from_the_beginning_on_every_process_knows_and_neither_name_nor_partition_is_given_away(
    leaving: TenantErasure, operator: Pool, disabled: str, rings: KeyRing, make_tenant: MakeTenant
) -> None:
    directory, store = TenantDirectory(operator), TenantStore(operator)
    partition = (await store.show(disabled)).partition
    assert await directory.refresh() and partition not in directory.erased

    await leaving.begin(disabled, ENDS, CHANGE)
    assert await directory.refresh() and partition in directory.erased
    with pytest.raises(ErasedLately, match="is not finished"):
        await store.enable(disabled, True, CHANGE)
    await leaving.delete_rows(disabled)
    await leaving.finish(disabled)

    assert await directory.refresh() and partition in directory.erased
    with pytest.raises(ErasedLately, match="wait until"):
        await store.create(
            NewTenant(disabled, "https://desk.example", "key"), partitions=MANY_PARTITIONS,
            secrets=WebhookSecrets(operator, rings), credentials=DeskCredentials(operator, rings), change=CHANGE,
        )  # fmt: skip
    assert (await store.show(await make_tenant())).partition != partition


async def test_a_partition_is_given_away_only_when_nobody_drops_what_stands_there_any_more(
    leaving: TenantErasure, operator: Pool, disabled: str, make_tenant: MakeTenant
) -> None:
    """Else the first events of its next tenant would be taken for the last ones of this."""
    directory, store = TenantDirectory(operator), TenantStore(operator)
    partition = (await store.show(disabled)).partition
    await erased(leaving, disabled)

    await finished(operator, disabled, hours=23.5)
    assert await directory.refresh() and partition not in directory.erased
    assert (await store.show(await make_tenant())).partition != partition

    await finished(operator, disabled, hours=24.1)
    assert (await store.show(await make_tenant())).partition == partition


async def finished(operator: Pool, tenant: str, *, hours: float) -> None:
    async with tenant_transaction(operator, tenant) as connected:
        await connected.execute(
            "UPDATE erased_tenants SET finished_at = now() - make_interval(secs => $2) WHERE tenant_id = $1", tenant, hours * 3600
        )  # fmt: skip


async def test_who_was_let_in_to_an_erased_tenant_is_not_let_in_to_another_of_its_name(
    operator: Pool, leaving: TenantErasure, disabled: str
) -> None:
    tokens = OperatorTokens(operator)
    alone, _ = await tokens.create(NewOperatorToken("Alone", Role.SUPPORT, frozenset({disabled})), CHANGE)
    among, _ = await tokens.create(NewOperatorToken("Among", Role.SUPPORT, frozenset({disabled, "another"})), CHANGE)
    everywhere, _ = await tokens.create(NewOperatorToken("Everywhere", Role.SUPPORT, None), CHANGE)

    await erased(leaving, disabled)

    found = [await tokens.find(token) for token in (alone, among, everywhere)]
    assert [one and (one.valid, one.tenants) for one in found] == [
        (False, frozenset({disabled})),
        (True, frozenset({"another"})),
        (True, None),
    ]
