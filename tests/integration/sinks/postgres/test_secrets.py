"""Webhook secrets, API tokens and public keys, each as the process that needs them sees them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from infra.runtime.keys.directory import KeyDirectory, KeyVerdict
from infra.runtime.keys.rings import KeyRing
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from schemas.topics import Topic
from sinks.postgres.service_keys import HEAD_START, ServiceKeys, UnknownService
from sinks.postgres.tokens import ApiTokens, NewToken, UnknownScope
from sinks.postgres.webhook_secrets import COLUMN, WebhookSecrets
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

HOUR = timedelta(hours=1)


async def secrets_at_the_edge(ingest: Pool, rings: KeyRing, tenant: str) -> list[str]:
    async with connection(ingest) as connected:
        stored = await connected.fetchval("SELECT secrets FROM ingest_tenants() WHERE tenant_id = $1", tenant)
    return [rings.decrypt(secret, tenant_id=tenant, column=COLUMN).decode() for secret in stored]


async def test_while_rotating_two_secrets_are_valid_the_newest_first(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    ingest = await pool_of("ingest")
    (first,) = await secrets_at_the_edge(ingest, rings, tenant)

    second = await WebhookSecrets(operator, rings).rotate(tenant, who="x", reason="90 days", both_valid=HOUR)

    assert await secrets_at_the_edge(ingest, rings, tenant) == [second.whsec, first]


async def test_the_old_secret_ends_by_itself_and_the_edge_is_told_when(
    operator: Pool, pool_of: PoolOf, rings: KeyRing, tenant: str
) -> None:
    ingest = await pool_of("ingest")
    second = await WebhookSecrets(operator, rings).rotate(tenant, who="x", reason="", both_valid=HOUR)
    async with connection(ingest) as connected:
        assert await connected.fetchval("SELECT ingest_tenants_expire_at() <= now() + interval '1 hour'")

    async with tenant_transaction(operator, tenant) as connected:  # an hour later
        await connected.execute(
            """UPDATE webhook_secrets SET valid_from = valid_from - interval '2 hours',
                   valid_until = valid_until - interval '2 hours'
               WHERE valid_until IS NOT NULL"""
        )

    assert await secrets_at_the_edge(ingest, rings, tenant) == [second.whsec]


async def test_a_secret_is_due_after_90_days(operator: Pool, rings: KeyRing, tenant: str) -> None:
    due = await WebhookSecrets(operator, rings).due(tenant)

    assert due is not None
    assert abs(due - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


async def test_a_secret_is_256_bits_and_43_printable_characters(operator: Pool, rings: KeyRing, tenant: str) -> None:
    secret = await WebhookSecrets(operator, rings).rotate(tenant, who="x", reason="")

    assert len(secret.raw) == 43
    assert secret.raw.isascii()
    assert secret.raw not in repr(secret)


async def test_a_token_is_checked_at_the_edge_and_kept_as_a_hash(operator: Pool, pool_of: PoolOf, tenant: str) -> None:
    token, token_id = await ApiTokens(operator).create(NewToken(tenant, ("feedback:read",), "dashboard"), who="x")

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
    expired, _ = await tokens.create(NewToken(tenant, ("feedback:read",), expires_at=past), who="x")
    revoked, token_id = await tokens.create(NewToken(tenant, ("feedback:read",)), who="x")
    assert not await tokens.revoke(other, token_id, who="x")
    assert await edge.check(revoked) is not None
    assert await tokens.revoke(tenant, token_id, who="x")

    for token in (expired, revoked, "tst_", f"tst_{'x' * 43}", f"tst_{'x' * 5000}", "", revoked[:-1], "tst_\0\ud800"):
        assert await edge.check(token) is None


async def test_a_token_needs_a_scope_that_there_is(operator: Pool, tenant: str) -> None:
    for scopes in ((), ("everything",), ("feedback:read", "everything")):
        with pytest.raises(UnknownScope, match="feedback:write"):
            await ApiTokens(operator).create(NewToken(tenant, scopes), who="x")


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


async def test_who_signs_nothing_has_no_key(operator: Pool) -> None:
    with pytest.raises(UnknownService, match="no service that signs"):
        await ServiceKeys(operator).publish(SigningKey.create("lag"))
