"""What is encrypted in the database: which columns there are, and how their values move to a ring's first key."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from infra.runtime.keys.rings import KeyRing, KeyRingError, new_ring_key
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from ingest.ports import TenantSnapshot
from ingest.postgres_sources import PostgresTenants
from ingest.tenants_view import TenantsView
from sinks.postgres import encrypted_columns
from sinks.postgres.audit_log import Change
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.encrypted_columns import ENCRYPTED_COLUMNS, EncryptedColumn, EncryptedValues, columns_of
from sinks.postgres.webhook_secrets import WebhookSecrets
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

CHANGE = Change("ann", "TS-9", role="engineer")
SECRETS = columns_of("webhook_keys")
CREDENTIALS = columns_of("credential_keys")
_COMMENT = re.compile(r'Encrypted with the ring TICKETSTREAM_([A-Z_]+), column "([a-z_]+)"')


def ring_of(*keys: str) -> KeyRing:
    return KeyRing.parse(",".join(keys), variable="TEST")


def before(older: KeyRing) -> KeyRing:
    """A ring with a new key in front of the older one's first."""
    return KeyRing((ring_of(new_ring_key("new"))._first, older._first))


@pytest.fixture
def newer(rings: KeyRing) -> KeyRing:
    return before(rings)


async def test_every_encrypted_column_of_the_database_is_known(operator: Pool) -> None:
    async with connection(operator) as connected:
        rows = await connected.fetch(
            """SELECT c.relname AS table, a.attname AS column, d.description FROM pg_description d
               JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
               WHERE c.relnamespace = 'public'::regnamespace AND d.description ILIKE '%encrypted%'"""
        )
    found = {
        EncryptedColumn(row["table"], row["column"], match[1].lower(), match[2])
        for row in rows
        if (match := _COMMENT.search(row["description"]))
    }
    assert len(found) == len(rows), "a comment says the ring and the name that ciphertexts are bound to"
    assert found == set(ENCRYPTED_COLUMNS)


async def test_all_values_move_to_the_first_key_and_still_open(
    operator: Pool, rings: KeyRing, newer: KeyRing, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encrypted_columns, "AT_ONCE", 1)
    await WebhookSecrets(operator, rings).rotate(tenant, CHANGE)
    values = EncryptedValues(operator, SECRETS + CREDENTIALS)
    prints = [known.fingerprint for known in await WebhookSecrets(operator, rings).valid(tenant)]
    assert await values.by_key(tenant) == Counter(
        {("webhook_secrets.secret", "test"): 2, ("servicedesk_credentials.credential", "test"): 1}
    )

    moved = await values.move(tenant, newer, CHANGE)

    assert (moved.moved, moved.overtaken, moved.unreadable) == (3, 0, [])
    assert {key_id for _, key_id in await values.by_key(tenant)} == {"new"}
    only_new = KeyRing((newer._first,))
    assert (await DeskCredentials(operator, only_new).get(tenant)).credential == f"key of {tenant}"
    async with tenant_transaction(operator, tenant) as connected:
        await connected.execute("UPDATE webhook_secrets SET fingerprint = NULL")
    assert [known.fingerprint for known in await WebhookSecrets(operator, only_new).valid(tenant)] == prints
    assert (await values.move(tenant, newer, CHANGE)).moved == 0, "again, and nothing is left to do"


async def test_a_replaced_credential_moves_too_for_it_may_be_rolled_back_to(
    operator: Pool, rings: KeyRing, newer: KeyRing, tenant: str
) -> None:
    async with tenant_transaction(operator, tenant) as connected:
        await DeskCredentials(operator, rings).add(connected, tenant, "the next key", who="ann")

    assert (await EncryptedValues(operator, CREDENTIALS).move(tenant, newer, CHANGE)).moved == 2


async def test_a_cached_access_token_moves_and_a_missing_one_is_none(
    operator: Pool, rings: KeyRing, newer: KeyRing, tenant: str
) -> None:
    (its,) = [column for column in CREDENTIALS if column.table == "desk_access_tokens"]
    token = rings.encrypt(b"1000.x", tenant_id=tenant, column=its.bound_to)
    async with tenant_transaction(operator, tenant) as connected:
        await connected.execute(
            """INSERT INTO desk_access_tokens (tenant_id, credential_hash, token, fingerprint, usable_until)
               VALUES ($1, $2, $3, $2, now()), ($1, $4, NULL, NULL, NULL)""",
            tenant, "a" * 64, token, "b" * 64,
        )  # fmt: skip

    moved = await EncryptedValues(operator, (its,)).move(tenant, newer, CHANGE)

    assert (moved.moved, moved.unreadable) == (1, [])
    assert await EncryptedValues(operator, (its,)).by_key(tenant) == {(str(its), "new"): 1}


async def test_a_value_that_is_set_meanwhile_is_not_overwritten(
    operator: Pool, rings: KeyRing, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = rings.encrypt(b"set meanwhile", tenant_id=tenant, column="servicedesk_api_key")
    values = EncryptedValues(operator, CREDENTIALS)
    reading = values._others

    async def overtaken(*args: object) -> list[str]:
        stored = await reading(*args)  # type: ignore[arg-type]
        async with tenant_transaction(operator, tenant) as connected:
            await connected.execute("UPDATE servicedesk_credentials SET credential = $1", other)
        monkeypatch.setattr(values.__class__, "_others", lambda _, *args: reading(*args))
        return stored

    monkeypatch.setattr(values.__class__, "_others", lambda _, *args: overtaken(*args))
    newer = before(rings)

    moved = await values.move(tenant, newer, CHANGE)

    assert (moved.moved, moved.overtaken) == (1, 1)
    assert (await DeskCredentials(operator, newer).get(tenant)).credential == "set meanwhile"


async def test_a_value_that_no_key_opens_is_told_and_left(operator: Pool, rings: KeyRing, tenant: str) -> None:
    stranger = ring_of(new_ring_key("stranger"))

    moved = await EncryptedValues(operator, SECRETS + CREDENTIALS).move(tenant, stranger, CHANGE)

    assert (moved.moved, len(moved.unreadable)) == (0, 2)
    assert all(tenant in said and "'test'" in said for said in moved.unreadable)
    assert (await DeskCredentials(operator, rings).get(tenant)).credential == f"key of {tenant}"


async def test_each_tenants_audit_log_has_it_without_a_value(operator: Pool, newer: KeyRing, tenant: str) -> None:
    await EncryptedValues(operator, SECRETS + CREDENTIALS).move(tenant, newer, CHANGE)

    async with tenant_transaction(operator, tenant) as connected:
        rows = await connected.fetch("SELECT * FROM audit_log WHERE operation = 'key rotate' ORDER BY subject")

    assert [(row["subject"], row["old_value"], row["new_value"], row["reason"]) for row in rows] == [
        ("servicedesk_credentials.credential", "*** key test", "*** key new", "TS-9"),
        ("webhook_secrets.secret", "*** key test", "*** key new", "TS-9"),
    ]


async def test_only_the_tenants_own_values_move(operator: Pool, newer: KeyRing, make_tenant: MakeTenant) -> None:
    tenant, other = await make_tenant(), await make_tenant()
    values = EncryptedValues(operator, SECRETS + CREDENTIALS)

    await values.move(tenant, newer, CHANGE)

    assert {key_id for _, key_id in await values.by_key(other)} == {"test"}


@pytest.fixture
async def copied(operator: Pool, make_tenant: MakeTenant) -> tuple[str, str]:
    """A tenant, and another that has its ciphertexts, copied by hand."""
    tenant, other = await make_tenant(), await make_tenant()
    async with tenant_transaction(operator, tenant) as connected:
        secret = await connected.fetchval("SELECT secret FROM webhook_secrets")
        credential = await connected.fetchval("SELECT credential FROM servicedesk_credentials")
    async with tenant_transaction(operator, other) as connected:
        await connected.execute("UPDATE webhook_secrets SET secret = $1", secret)
        await connected.execute("UPDATE servicedesk_credentials SET credential = $1", credential)
    return tenant, other


async def test_a_ciphertext_copied_to_another_tenant_opens_nowhere(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, newer: KeyRing, copied: tuple[str, str]
) -> None:
    tenant, other = copied

    edges = await pool_of("ingest")

    class Database:
        pool = edges

    class Both(PostgresTenants):
        async def load(self) -> TenantSnapshot:
            found = await super().load()
            return TenantSnapshot([row for row in found.rows if row.tenant_id in copied])

    view = TenantsView(Both(Database()), rings)  # type: ignore[arg-type]
    assert await view.refresh()
    known, foreign = view.get(tenant), view.get(other)

    assert known is not None
    assert foreign is not None
    assert (len(known.secrets), known.readable) == (1, True)
    assert (foreign.secrets, foreign.readable) == ((), False)
    with pytest.raises(KeyRingError, match="changed or moved"):
        await DeskCredentials(operator, rings).get(other)
    moved = await EncryptedValues(operator, SECRETS + CREDENTIALS).move(other, newer, CHANGE)
    assert (moved.moved, len(moved.unreadable)) == (0, 2), "re-encrypting gives a copied value no way in"


async def test_a_ciphertext_copied_to_another_column_does_not_open(operator: Pool, rings: KeyRing, tenant: str) -> None:
    async with tenant_transaction(operator, tenant) as connected:
        secret = await connected.fetchval("SELECT secret FROM webhook_secrets")
        await connected.execute("UPDATE servicedesk_credentials SET credential = $1", secret)

    with pytest.raises(KeyRingError, match="changed or moved"):
        await DeskCredentials(operator, rings).get(tenant)


async def test_a_service_with_the_ring_of_the_edge_opens_no_desk_credential(operator: Pool, tenant: str) -> None:
    edge = ring_of(new_ring_key("test"))  # the same id, another key: rings are never shared

    with pytest.raises(KeyRingError):
        await DeskCredentials(operator, edge).get(tenant)
