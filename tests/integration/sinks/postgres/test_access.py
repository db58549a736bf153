"""Tokens and pages of feedback on a real PostgreSQL: what the edge notes and reads, and what it may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from schemas.events import FeedbackSubmitted, FeedbackType
from sinks.postgres.audit_log import PLATFORM, Change
from sinks.postgres.feedback import Feedback, FeedbackFilter
from sinks.postgres.operator_tokens import NewOperatorToken, OperatorTokens, Role
from sinks.postgres.tokens import ApiTokens, NewToken, TokenUse
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

CHANGE = Change("pat", "case 4711", role="engineer")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


async def new_token(operator: Pool, tenant_id: str) -> str:
    _, token_id = await ApiTokens(operator).create(NewToken(tenant_id, ("feedback:read",)), CHANGE)
    return token_id


async def version(pool: Pool) -> int:
    async with connection(pool) as connected:
        return int(await connected.fetchval("SELECT version FROM config_version"))


async def test_the_edge_notes_when_tokens_of_several_tenants_were_used_last(
    operator: Pool, pool_of: PoolOf, make_tenant: MakeTenant
) -> None:
    one, two = await make_tenant(), await make_tenant()
    first, second = await new_token(operator, one), await new_token(operator, two)
    edge, before = ApiTokens(await pool_of("ingest")), await version(operator)

    await edge.note_uses([TokenUse(one, first, NOON), TokenUse(two, second, NOON), TokenUse(one, str(uuid4()), NOON)])
    await edge.note_uses([TokenUse(one, first, NOON - timedelta(hours=1)), TokenUse(one, second, NOON)])

    assert [row.last_used_at for row in await ApiTokens(operator).list(one)] == [NOON], "never back, never another's"
    assert [row.last_used_at for row in await ApiTokens(operator).list(two)] == [NOON]
    assert await version(operator) == before, "a use is no change that every process must follow"


async def test_a_revoked_token_is_a_change_that_is_followed(operator: Pool, tenant: str) -> None:
    token_id, before = await new_token(operator, tenant), await version(operator)
    assert await ApiTokens(operator).revoke(tenant, token_id, CHANGE)
    assert await version(operator) > before


async def test_the_edge_audits_a_token_that_was_used_for_another_tenant(
    operator: Pool, pool_of: PoolOf, tenant: str
) -> None:
    edge = ApiTokens(await pool_of("ingest"))
    token, token_id = await ApiTokens(operator).create(NewToken(tenant, ("feedback:read",)), CHANGE)
    found = await edge.check(token)
    assert found is not None

    await edge.used_for_another(
        found, "msp-'; DROP TABLE\x00 audit_log;--" * 9, "GET /api/v1/feedback from 198.51.100.7"
    )

    async with tenant_transaction(operator, tenant) as connected:
        row = await connected.fetchrow("SELECT * FROM audit_log WHERE operation = 'refused'")
    assert row is not None
    assert (row["who"], row["subject"]) == (f"token {token_id}", "GET /api/v1/feedback from 198.51.100.7")
    assert row["new_value"].startswith("for tenant ") and len(row["new_value"]) < 200


async def test_a_persons_token_is_kept_as_a_hash_that_nobody_reads(operator: Pool, pool_of: PoolOf) -> None:
    tokens = OperatorTokens(operator)
    token, made = await tokens.create(NewOperatorToken("Kim", Role.SUPPORT, frozenset({"msp-a"})), CHANGE)
    found = await tokens.find(token)
    assert found is not None and found.valid
    assert (found.person, found.role, found.tenants, found.token_id) == (
        "Kim", Role.SUPPORT, frozenset({"msp-a"}), made.token_id
    )  # fmt: skip
    for wrong in (token[:-1], token + "x", token.replace("tso_", "tst_"), "tso_" + "x" * 300, ""):
        assert await tokens.find(wrong) is None
    async with connection(operator) as connected:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connected.fetchval("SELECT token_hash FROM operator_tokens")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connected.execute("UPDATE operator_tokens SET expires_at = now() + interval '300 days'")
    async with connection(await pool_of("ingest")) as connected:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connected.fetchval("SELECT count(*) FROM operator_tokens")
    async with tenant_transaction(operator, PLATFORM) as connected:
        said = str(await connected.fetch("SELECT * FROM audit_log"))
    assert "Kim" in said and token not in said


async def test_a_persons_token_lasts_a_year_at_the_longest(operator: Pool) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await OperatorTokens(operator).create(NewOperatorToken("Kim", Role.SUPPORT, None, days=400), CHANGE)


async def test_a_last_use_of_a_persons_token_is_noted_once_a_minute(operator: Pool) -> None:
    tokens = OperatorTokens(operator)
    token, made = await tokens.create(NewOperatorToken("Lou", Role.SUPPORT, None), CHANGE)
    uses = []
    for _ in range(2):
        await tokens.find(token)
        uses += [one.last_used_at for one in await tokens.all() if one.token_id == made.token_id]
    assert uses[0] is not None and uses[0] == uses[1]


async def test_a_stacks_own_token_is_made_once_and_again_when_it_ended(operator: Pool) -> None:
    tokens, token = OperatorTokens(operator), "tso_the_token_of_some_stack"
    new = NewOperatorToken("stack", Role.ENGINEER, None, days=365)
    assert await tokens.keep(token, new, CHANGE) and await tokens.keep(token, new, CHANGE)
    assert len([one for one in await tokens.all() if one.person == "stack"]) == 1
    await tokens.revoke(CHANGE, person="stack")
    assert not await tokens.keep(token, new, CHANGE)


def answer(tenant_id: str, number: int) -> FeedbackSubmitted:
    """Three answers at each time."""
    return FeedbackSubmitted(
        event_id=str(uuid4()),
        tenant_id=tenant_id,
        ticket_id=str(number % 2),
        feedback_type=FeedbackType.THUMBS_UP,
        submitted_at=NOON + timedelta(microseconds=number // 3),
    )


async def test_twenty_browsers_count_on_a_note_and_each_may_change_its_mind(pool_of: PoolOf, tenant: str) -> None:
    stored, note = Feedback(await pool_of("feedback_aggregate")), str(uuid4())
    for number, browser in enumerate((*range(23), 3, 22)):
        said = replace(
            answer(tenant, 0),
            enhancement_id=note,
            respondent=f"b{browser}",
            submitted_at=NOON + timedelta(minutes=number),
        )
        result = await stored.store(said)
    assert result.total == 20
    elsewhere = replace(answer(tenant, 0), enhancement_id=str(uuid4()), respondent="b22")
    assert (await stored.store(elsewhere)).total == 21


async def test_pages_of_feedback_are_the_whole_list_once(pool_of: PoolOf, make_tenant: MakeTenant) -> None:
    tenant, other = await make_tenant(), await make_tenant()
    stored = Feedback(await pool_of("feedback_aggregate"))
    for number in range(10):
        await stored.store(answer(tenant, number))
    await stored.store(answer(other, 0))

    edge, after = Feedback(await pool_of("ingest")), None
    found: list[tuple[datetime, UUID]] = []
    while page := await edge.list(FeedbackFilter(tenant), limit=3, after=after):
        after = (page[-1].submitted_at, page[-1].feedback_id)
        found += [(row.submitted_at, row.feedback_id) for row in page]

    assert len(found) == 10 == len(set(found))
    assert found == sorted(found, reverse=True)
    of_ticket = await edge.list(FeedbackFilter(tenant, "1"), limit=3, after=found[2])
    assert {row.ticket_id for row in of_ticket} == {"1"} and all(
        (row.submitted_at, row.feedback_id) < found[2] for row in of_ticket
    )
