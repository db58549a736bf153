"""One process fetches a cloud desk's access token for all: the stored tokens and their fake keep the same contract."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

from infra.ops.local.servicedesk_simulator import DeskSettings, Simulator
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.postgres.pool import open_pool
from schemas.reasons import Reason
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.servicedesk.access_tokens import (
    FETCH_SECONDS,
    TOKENS_PER_WINDOW,
    WINDOW,
    AccessTokens,
    Busy,
    Fetch,
    Kept,
    TokenOf,
    TokensInMemory,
)
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.transport import Transport
from sinks.servicedesk.types import DeskAccount, DeskForm, Refused
from tests.integration.sinks.postgres.conftest import MakeTenant, PoolOf

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

SERVICES = ("deliver", "reconcile", "sync", "operator")
_AGE = """
UPDATE desk_access_tokens SET usable_until = usable_until - $2 * interval '1 s',
    fetching_until = fetching_until - $2 * interval '1 s',
    refused_until = refused_until - $2 * interval '1 s',
    asked_at = ARRAY(SELECT one - $2 * interval '1 s' FROM unnest(asked_at) one)
WHERE tenant_id = $1
"""


@dataclass
class Processes:
    """What keeps the tokens, as seen by several processes; `age` lets time pass for it."""

    of: TokenOf
    seen_by: list[AccessTokens]
    age: Callable[[float], Awaitable[object]]


@pytest.fixture(params=["fake", "stored"])
async def processes(
    request: pytest.FixtureRequest, tenant: str, pool_of: PoolOf, rings: KeyRing, postgres: MigratedDatabase
) -> AsyncIterator[Processes]:
    of = TokenOf(tenant, "a" * 64)
    if request.param == "fake":
        now = [0.0]
        first = TokensInMemory(seconds=lambda: now[0])

        async def later(seconds: float) -> None:
            now[0] += seconds

        yield Processes(of, [first, *(first.share() for _ in SERVICES[1:])], later)
        return
    admin = await asyncpg.connect(postgres.dsn)
    stored = [StoredAccessTokens(await pool_of(service), rings) for service in SERVICES]
    yield Processes(of, list(stored), lambda seconds: admin.execute(_AGE, tenant, seconds))
    await admin.close()


async def test_one_fetches_and_all_use_what_it_brought(processes: Processes) -> None:
    first, *others = processes.seen_by
    assert await first.take(processes.of) == Fetch()
    for other in others:
        busy = await other.take(processes.of)
        assert isinstance(busy, Busy)
        assert busy.seconds == pytest.approx(FETCH_SECONDS, abs=5)

    await first.keep(processes.of, "token-1", 3540)

    for one in processes.seen_by:
        kept = await one.take(processes.of)
        assert isinstance(kept, Kept)
        assert kept.token == "token-1"
        assert kept.seconds == pytest.approx(3540, abs=5)
        assert "token-1" not in repr(kept)


async def test_a_token_ends_in_time_and_one_fetches_the_next(processes: Processes) -> None:
    first, second, *_ = processes.seen_by
    await first.take(processes.of)
    await first.keep(processes.of, "token-1", 3540)

    await processes.age(3541)

    assert await second.take(processes.of) == Fetch()
    assert isinstance(await first.take(processes.of), Busy)


async def test_a_token_that_the_desk_refuses_is_forgotten_but_not_a_newer_one(processes: Processes) -> None:
    first, second, *_ = processes.seen_by
    await first.take(processes.of)
    await first.keep(processes.of, "token-1", 3540)

    assert await second.take(processes.of, refused="token-1") == Fetch()
    await second.keep(processes.of, "token-2", 3540)

    late = await first.take(processes.of, refused="token-1")
    assert isinstance(late, Kept)
    assert late.token == "token-2"


async def test_who_died_fetching_is_not_waited_for_for_ever(processes: Processes) -> None:
    first, second, *_ = processes.seen_by
    await first.take(processes.of)

    await processes.age(FETCH_SECONDS + 1)

    assert await second.take(processes.of) == Fetch()
    await first.keep(processes.of, "too late", 3540)
    assert await second.take(processes.of) == Fetch(), "what another has taken over isn't written over"


async def test_what_one_was_refused_is_the_answer_to_all_for_some_seconds(processes: Processes) -> None:
    first, second, *_ = processes.seen_by
    await first.take(processes.of)
    await first.refuse(processes.of, Refused(Reason.DESK_CREDENTIAL_REFUSED, "access token: HTTP 200 invalid_code"))

    refused = await second.take(processes.of)

    assert refused == Refused(Reason.DESK_CREDENTIAL_REFUSED, "access token: HTTP 200 invalid_code")
    await processes.age(6)
    assert await second.take(processes.of) == Fetch()


async def test_as_long_as_the_accounts_server_wants_to_be_left_alone_nobody_asks(processes: Processes) -> None:
    first, second, *_ = processes.seen_by
    await first.take(processes.of)
    await first.refuse(processes.of, Refused(Reason.DESK_RATE_LIMITED, "slow down", 120.0))
    await processes.age(60)

    refused = await second.take(processes.of)

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_RATE_LIMITED


async def test_the_allowance_is_counted_for_all_together(processes: Processes) -> None:
    for number in range(TOKENS_PER_WINDOW):
        one = processes.seen_by[number % len(processes.seen_by)]
        assert await one.take(processes.of, refused=f"token-{number - 1}") == Fetch()
        await one.keep(processes.of, f"token-{number}", 3540)

    refused = await processes.seen_by[0].take(processes.of, refused=f"token-{TOKENS_PER_WINDOW - 1}")

    assert isinstance(refused, Refused)
    assert refused.reason is Reason.DESK_RATE_LIMITED
    assert refused.retry_after == pytest.approx(WINDOW, abs=10)
    await processes.age(WINDOW + 1)
    assert await processes.seen_by[1].take(processes.of) == Fetch()


async def test_another_credential_or_tenant_has_a_token_of_its_own(
    processes: Processes, make_tenant: MakeTenant
) -> None:
    first, second, *_ = processes.seen_by
    await first.take(processes.of)
    await first.keep(processes.of, "token-1", 3540)

    assert await second.take(TokenOf(processes.of.tenant_id, "b" * 64)) == Fetch()
    assert await second.take(TokenOf(await make_tenant(), "a" * 64)) == Fetch()


async def test_at_rest_a_token_is_encrypted_for_its_tenant_and_another_ring_fetches_anew(
    tenant: str, pool_of: PoolOf, rings: KeyRing, postgres: MigratedDatabase
) -> None:
    of, pool = TokenOf(tenant, "a" * 64), await pool_of("deliver")
    tokens = StoredAccessTokens(pool, rings)
    await tokens.take(of)
    await tokens.keep(of, "in plain sight", 3540)

    admin = await asyncpg.connect(postgres.dsn)
    row = await admin.fetchrow(
        "SELECT *, desk_access_tokens::text AS all FROM desk_access_tokens WHERE tenant_id = $1", tenant
    )
    await admin.close()

    assert row is not None
    assert "plain sight" not in row["all"]
    opened = rings.decrypt(row["token"], tenant_id=tenant, column="desk_access_token")
    assert opened == b"in plain sight"
    other_ring = KeyRing.parse(new_ring_key("other"), variable="TEST")
    assert await StoredAccessTokens(pool, other_ring).take(of) == Fetch()


@pytest.mark.parametrize("service", ["ingest", "enrich", "synthesize", "feedback_aggregate", "lag"])
async def test_who_speaks_to_no_desk_cannot_touch_tokens(tenant: str, pool_of: PoolOf, service: str) -> None:
    pool = await pool_of(service)
    for statement in (
        "SELECT * FROM desk_access_tokens",
        "SELECT * FROM take_desk_token('any', 'a', '', 'w', 1, 1, 1)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)


# Against a cloud desk and its accounts server.


@dataclass
class Cloud:
    simulator: Simulator
    account: DeskAccount
    processes: list[Authentication]

    @property
    def fetched(self) -> int:
        return int(self.simulator.ledger.as_json(self.account.tenant_id)["counts"].get("token", 0))

    async def all_at_once(self, account: DeskAccount | None = None) -> list[dict[str, str] | Refused]:
        return list(await asyncio.gather(*(one.headers(account or self.account) for one in self.processes)))


def cloud_account(url: str, tenant: str, **changes: str) -> DeskAccount:
    client = {"client_id": "local-client", "client_secret": "local-client-secret", "accounts_url": url}
    credential = json.dumps({**client, "refresh_token": f"refresh-{tenant}", **changes})
    return DeskAccount(tenant, f"{url}/app/{tenant}", DeskForm.CLOUD, credential)


@pytest.fixture
async def cloud(tenant: str, pool_of: PoolOf, rings: KeyRing) -> AsyncIterator[Cloud]:
    async with Simulator(seed=1) as simulator, Transport(AddressPolicy(local=True)) as transport:
        desk = DeskSettings(kind="cloud")
        simulator.state.commit("desk", tenant, settings=desk.model_dump(mode="json"))
        stored = [StoredAccessTokens(await pool_of(service), rings) for service in SERVICES]
        yield Cloud(
            simulator, cloud_account(simulator.url, tenant), [Authentication(transport, tokens=one) for one in stored]
        )


async def test_processes_that_start_together_fetch_one_token(cloud: Cloud) -> None:
    headers = await cloud.all_at_once()

    assert cloud.fetched == 1
    assert headers[0] == headers[1] == headers[2] == headers[3]
    assert not isinstance(headers[0], Refused)


async def test_a_token_revoked_under_all_is_fetched_once_more(cloud: Cloud) -> None:
    (old, *_) = await cloud.all_at_once()
    assert not isinstance(old, Refused)

    new = await asyncio.gather(*(one.headers(cloud.account, instead_of=old) for one in cloud.processes))

    assert cloud.fetched == 2
    assert new[0] != old and all(one == new[0] for one in new)


async def test_a_replaced_credential_gets_a_token_of_its_own(cloud: Cloud) -> None:
    await cloud.all_at_once()
    desk = DeskSettings(kind="cloud", client_secret="another", refresh_token="another-refresh")
    cloud.simulator.state.commit("desk", cloud.account.tenant_id, settings=desk.model_dump(mode="json"))

    replaced = cloud_account(
        cloud.simulator.url, cloud.account.tenant_id, client_secret="another", refresh_token="another-refresh"
    )
    headers = await cloud.all_at_once(replaced)

    assert cloud.fetched == 2
    assert not any(isinstance(one, Refused) for one in headers)


async def test_a_refused_refresh_token_is_asked_for_once_and_says_so_to_all(cloud: Cloud) -> None:
    wrong = cloud_account(cloud.simulator.url, cloud.account.tenant_id, refresh_token="revoked")

    refused = await cloud.all_at_once(wrong)

    assert {one.reason for one in refused if isinstance(one, Refused)} == {Reason.DESK_CREDENTIAL_REFUSED}
    assert len(refused) == 4
    assert "invalid_code" in str(refused[0])
    assert "revoked" not in str(refused)


async def test_without_postgresql_what_is_in_memory_goes_on_until_its_end(
    tenant: str, postgres: MigratedDatabase, rings: KeyRing
) -> None:
    now = [1000.0]
    pool = await open_pool(postgres.dsns["deliver"], service="deliver", size=1)
    async with Simulator(seed=1) as simulator, Transport(AddressPolicy(local=True)) as transport:
        simulator.state.commit("desk", tenant, settings=DeskSettings(kind="cloud").model_dump(mode="json"))
        account = cloud_account(simulator.url, tenant)
        one = Authentication(transport, tokens=StoredAccessTokens(pool, rings), seconds=lambda: now[0])
        headers = await one.headers(account)
        await pool.close()

        now[0] += 3599
        assert await one.headers(account) == headers
        now[0] += 2
        with pytest.raises((PostgresUnavailable, asyncpg.InterfaceError)):
            await one.headers(account)
