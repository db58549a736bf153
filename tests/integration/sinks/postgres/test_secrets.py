"""Webhook secrets, API tokens and public keys, each as the process that needs them sees them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from infra.runtime.keys.directory import KeyDirectory, KeyVerdict
from infra.runtime.keys.rings import KeyRing
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from schemas.topics import Topic
from sinks.postgres.audit_log import PLATFORM, Change
from sinks.postgres.secret_uses import SecretUse, SecretUseStore, valid_secrets
from sinks.postgres.service_keys import HEAD_START, ServiceKeys, UnknownService
from sinks.postgres.tokens import ApiTokens, NewToken, UnknownScope
from sinks.postgres.webhook_secrets import COLUMN, Rotated, TwoSecretsValid, WebhookSecrets
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

HOUR = timedelta(hours=1)
CHANGE = Change("x", "a test needs it")


async def secrets_at_the_edge(ingest: Pool, rings: KeyRing, tenant: str) -> list[str]:
    async with connection(ingest) as connected:
        stored = await connected.fetchval("SELECT secrets FROM ingest_tenants() WHERE tenant_id = $1", tenant)
    return [rings.decrypt(secret, tenant_id=tenant, column=COLUMN).decode() for secret in stored]


async def test_while_rotating_two_secrets_are_valid_the_newest_first(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    ingest = await pool_of("ingest")
    (first,) = await secrets_at_the_edge(ingest, rings, tenant)

    second = await WebhookSecrets(operator, rings).rotate(tenant, Change("x", "90 days"), both_valid=HOUR)

    assert await secrets_at_the_edge(ingest, rings, tenant) == [second.secret.whsec, first]


async def test_edges_of_the_version_before_see_the_same_secrets(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    await WebhookSecrets(operator, rings).rotate(tenant, CHANGE)
    async with connection(await pool_of("ingest")) as connected:
        before = await connected.fetchval("SELECT secrets FROM ingest_tenants() WHERE tenant_id = $1", tenant)
        now = await connected.fetchval("SELECT secrets FROM ingest_webhook_secrets() WHERE tenant_id = $1", tenant)
    assert before == now


async def test_a_third_secret_waits_until_the_oldest_has_ended(operator: Pool, rings: KeyRing, tenant: str) -> None:
    secrets = WebhookSecrets(operator, rings)
    await secrets.rotate(tenant, CHANGE)
    with pytest.raises(TwoSecretsValid):
        await secrets.rotate(tenant, CHANGE)
    (current, old) = await secrets.valid(tenant)

    ended = await secrets.end_old(tenant, CHANGE)

    assert ended is not None
    assert (ended.secret_id, current.valid_until) == (old.secret_id, None)
    assert await secrets.end_old(tenant, CHANGE) is None, "the current one never ends this way"
    assert [known.secret_id for known in await secrets.valid(tenant)] == [current.secret_id]
    await secrets.rotate(tenant, CHANGE)


async def test_rotations_at_once_leave_two_secrets(operator: Pool, rings: KeyRing, tenant: str) -> None:
    secrets = WebhookSecrets(operator, rings)
    results = await asyncio.gather(*(secrets.rotate(tenant, CHANGE) for _ in range(4)), return_exceptions=True)

    assert [type(result) for result in results].count(Rotated) == 1
    assert [type(result) for result in results].count(TwoSecretsValid) == 3
    assert len(await secrets.valid(tenant)) == 2


async def test_each_rotation_is_in_the_audit_log_without_a_secret(operator: Pool, rings: KeyRing, tenant: str) -> None:
    secrets = WebhookSecrets(operator, rings)
    made = await secrets.rotate(tenant, Change("ann", "TS-1", role="engineer"))
    await secrets.end_old(tenant, Change("ann", "TS-2", role="engineer"))

    async with tenant_transaction(operator, tenant) as connected:
        rows = await connected.fetch("SELECT * FROM audit_log WHERE operation LIKE 'tenant rotate-secret%' ORDER BY at")

    assert [(row["who"], row["role"], row["reason"]) for row in rows] == [
        ("ann", "engineer", "TS-1"), ("ann", "engineer", "TS-2"),
    ]  # fmt: skip
    assert made.secret.raw not in str(rows)


async def test_a_secret_older_than_fingerprints_has_one_once_it_is_opened(
    operator: Pool, rings: KeyRing, tenant: str
) -> None:
    secrets = WebhookSecrets(operator, rings)
    (known,) = await secrets.valid(tenant)
    async with tenant_transaction(operator, tenant) as connected:
        await connected.execute("UPDATE webhook_secrets SET fingerprint = NULL")

    assert [again.fingerprint for again in await secrets.valid(tenant)] == [known.fingerprint]


async def config_version(operator: Pool) -> int:
    async with connection(operator) as connected:
        return int(await connected.fetchval("SELECT version FROM config_version"))


async def test_noted_uses_add_up_and_are_no_change_of_settings(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    store = SecretUseStore(await pool_of("ingest"))
    (known,) = await WebhookSecrets(operator, rings).valid(tenant)
    now = datetime.now(UTC)
    before = await config_version(operator)
    await store.note([SecretUse(tenant, known.secret_id, now - HOUR, now - HOUR / 2, 3)])
    await store.note([SecretUse(tenant, known.secret_id, now - HOUR / 4, now + HOUR, 2)])

    (used,) = await WebhookSecrets(operator, rings).valid(tenant)

    assert (used.first_used_at, used.uses) == (now - HOUR, 5)
    assert used.last_used_at is not None
    assert used.last_used_at < now + HOUR / 2, "no use lies in the future, whatever an edge's clock says"
    assert (await valid_secrets(operator))[tenant] == [used]
    assert await config_version(operator) == before


async def test_a_use_of_another_tenants_secret_is_passed_over(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, make_tenant: MakeTenant
) -> None:
    tenant, other, now = await make_tenant(), await make_tenant(), datetime.now(UTC)
    secrets = WebhookSecrets(operator, rings)
    (known,), (others,) = await secrets.valid(tenant), await secrets.valid(other)

    await SecretUseStore(await pool_of("ingest")).note(
        [SecretUse(tenant, others.secret_id, now, now, 1), SecretUse(tenant, known.secret_id, now, now, 1)]
    )

    assert [(await secrets.valid(each))[0].uses for each in (tenant, other)] == [1, 0]


async def test_the_edge_may_note_uses_and_neither_read_nor_write_the_table(pool_of: PoolOf, tenant: str) -> None:
    for statement in ("SELECT * FROM webhook_secret_uses", "DELETE FROM webhook_secret_uses"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tenant_transaction(await pool_of("ingest"), tenant) as connected:
                await connected.execute(statement)


async def test_the_old_secret_ends_by_itself_and_the_edge_is_told_when(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    ingest = await pool_of("ingest")
    second = await WebhookSecrets(operator, rings).rotate(tenant, CHANGE, both_valid=HOUR)
    async with connection(ingest) as connected:
        assert await connected.fetchval("SELECT ingest_tenants_expire_at() <= now() + interval '1 hour'")

    async with tenant_transaction(operator, tenant) as connected:  # an hour later
        await connected.execute(
            """UPDATE webhook_secrets SET valid_from = valid_from - interval '2 hours',
                   valid_until = valid_until - interval '2 hours'
               WHERE valid_until IS NOT NULL"""
        )

    assert await secrets_at_the_edge(ingest, rings, tenant) == [second.secret.whsec]


async def test_a_secret_is_due_after_90_days(operator: Pool, rings: KeyRing, tenant: str) -> None:
    (known,) = await WebhookSecrets(operator, rings).valid(tenant)

    assert abs(known.due - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


async def test_a_secret_is_256_bits_and_43_printable_characters(operator: Pool, rings: KeyRing, tenant: str) -> None:
    secret = (await WebhookSecrets(operator, rings).rotate(tenant, CHANGE)).secret

    assert len(secret.raw) == 43
    assert secret.raw.isascii()
    assert secret.raw not in repr(secret)


async def test_a_token_is_checked_at_the_edge_and_kept_as_a_hash(operator: Pool, pool_of: PoolOf, tenant: str) -> None:
    token, token_id = await ApiTokens(operator).create(NewToken(tenant, ("feedback:read",), "dashboard"), Change("x"))

    found = await ApiTokens(await pool_of("ingest")).check(token)

    assert found is not None
    assert (found.tenant_id, found.token_id, found.scopes) == (tenant, token_id, frozenset({"feedback:read"}))
    async with tenant_transaction(operator, tenant) as connected:
        assert token.removeprefix("tst_") not in str(await connected.fetch("SELECT * FROM api_tokens"))


async def test_unknown_expired_and_revoked_tokens_are_none(
    operator: Pool, pool_of: PoolOf, make_tenant: MakeTenant
) -> None:
    tokens, edge = ApiTokens(operator), ApiTokens(await pool_of("ingest"))
    tenant, other = await make_tenant(), await make_tenant()
    past = datetime.now(UTC) - HOUR
    expired, _ = await tokens.create(NewToken(tenant, ("feedback:read",), expires_at=past), Change("x"))
    revoked, token_id = await tokens.create(NewToken(tenant, ("feedback:read",)), Change("x"))
    assert not await tokens.revoke(other, token_id, Change("x"))
    assert await edge.check(revoked) is not None
    assert await tokens.revoke(tenant, token_id, Change("x"))

    for token in (expired, revoked, "tst_", f"tst_{'x' * 43}", f"tst_{'x' * 5000}", "", revoked[:-1], "tst_\0\ud800"):
        assert await edge.check(token) is None


async def test_a_token_needs_a_scope_that_there_is(operator: Pool, tenant: str) -> None:
    for scopes in ((), ("everything",), ("feedback:read", "everything")):
        with pytest.raises(UnknownScope, match="feedback:write"):
            await ApiTokens(operator).create(NewToken(tenant, scopes), Change("x"))


async def test_a_published_key_verifies_in_another_process_until_it_is_revoked(operator: Pool, pool_of: PoolOf) -> None:
    key, message = SigningKey.create("ingest"), b"message"
    await ServiceKeys(operator).publish(key, not_before=datetime.now(UTC))

    async def verdict() -> KeyVerdict:
        directory = KeyDirectory(ServiceKeys(await pool_of("enrich")).load)
        await directory.refresh()
        return directory.verify(key.key_id, Topic.TICKETS_RECEIVED, message, key.sign(message))

    assert await verdict() is KeyVerdict.VALID
    assert await ServiceKeys(operator).revoke(key.key_id)
    assert await verdict() is KeyVerdict.WRONG
    assert not await ServiceKeys(operator).revoke(f"ingest-{uuid4().hex[:12]}")


async def test_a_further_key_of_a_service_waits_until_every_reader_has_it(operator: Pool) -> None:
    keys, now = ServiceKeys(operator), datetime.now(UTC)
    await keys.publish(SigningKey.create("deliver"), not_before=now)
    second = SigningKey.create("deliver")

    published = await keys.publish(second)
    again = await keys.publish(second)

    assert published.not_before - now >= HEAD_START
    (stored,) = [key for key in await keys.load() if key.key_id == second.key_id]
    assert stored.not_before == published.not_before
    assert again.not_before == stored.not_before, "publishing again says what is kept"


async def test_a_key_and_its_entry_in_the_audit_log_are_written_together(operator: Pool) -> None:
    keys, key = ServiceKeys(operator), SigningKey.create("deliver")
    entry = Change("ann", "TS-4", role="engineer").entry(PLATFORM, "key rotate", key.key_id)
    with pytest.raises(asyncpg.NotNullViolationError):
        await keys.publish(key, entry=replace(entry, subject=None))  # type: ignore[arg-type]
    assert key.key_id not in {known.key_id for known in await keys.load()}

    await keys.publish(key, entry=entry)
    await keys.revoke(key.key_id, entry=replace(entry, operation="key revoke"))

    async with tenant_transaction(operator, PLATFORM) as connected:
        rows = await connected.fetch("SELECT operation FROM audit_log WHERE subject = $1 ORDER BY at", key.key_id)
    assert [row["operation"] for row in rows] == ["key rotate", "key revoke"]


async def test_who_signs_nothing_has_no_key(operator: Pool) -> None:
    with pytest.raises(UnknownService, match="no service that signs"):
        await ServiceKeys(operator).publish(SigningKey.create("lag"))
