"""A desk's credential is replaced only by one that the desk takes, and can be put back for 7 days: on a real database and simulated
desks of both forms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import asyncpg
import pytest

from infra.ops.cli.acting import Acting, Operator, Role
from infra.ops.cli.commands.tenant.sections import all_rows
from infra.ops.cli.credential_change import Wish, replace_credential
from infra.ops.cli.desk_trial import Verdict
from infra.ops.cli.failure import Failure
from infra.ops.cli.surroundings import Surroundings
from infra.ops.local.free_ports import free_ports
from infra.ops.local.servicedesk_simulator import DeskFault, DeskSettings, Simulator
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import tenant_transaction
from sinks.postgres.credentials import DeskCredentials, forget_replaced
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets

PARTITIONS = 100_000
CREDENTIAL_RING, WEBHOOK_RING = new_ring_key("c"), new_ring_key("w")


class Database(Protocol):
    dsn: str
    dsns: dict[str, str]


@dataclass
class Desk:
    """A tenant with a desk of its own, and an operator who works on it."""

    at_work: Acting
    simulator: Simulator
    tenant_id: str
    form: str
    admin: asyncpg.Connection[asyncpg.Record]

    @property
    def credentials(self) -> DeskCredentials:
        return DeskCredentials(self.at_work.pool, KeyRing.parse(CREDENTIAL_RING, variable="TEST"))

    async def current(self) -> str:
        return (await self.credentials.get(self.tenant_id)).credential

    def credential(self, secret: str) -> str:
        if self.form == "onprem":
            return f"key-{secret}"
        client = {"client_id": "client", "client_secret": f"secret-{secret}", "refresh_token": f"refresh-{secret}"}
        return json.dumps({**client, "accounts_url": self.simulator.url})

    def takes(self, secret: str, **more: Any) -> None:
        """The desk takes this credential from now on, and no other."""
        given: dict[str, Any] = {"kind": self.form, "key": f"key-{secret}"}
        if self.form == "cloud":
            given |= {"client_id": "client", "client_secret": f"secret-{secret}", "refresh_token": f"refresh-{secret}"}
        settings = DeskSettings(**(given | more))
        self.simulator.state.commit("desk", self.tenant_id, settings=settings.model_dump(mode="json"))

    async def audited(self) -> list[tuple[str, str, str | None, str | None, str]]:
        async with tenant_transaction(self.at_work.pool, self.tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT operation, subject, old_value, new_value, reason FROM audit_log"
                " WHERE operation LIKE '%credential%' ORDER BY audit_id"
            )
        return [tuple(row) for row in rows]

    async def shown(self) -> dict[str, object]:
        tenant = await TenantStore(self.at_work.pool).show(self.tenant_id)
        return await all_rows(self.at_work, tenant)

    async def forget_refusals(self) -> None:
        """As after some seconds: what an accounts server refused is everybody's answer so long."""
        await self.admin.execute(
            "UPDATE desk_access_tokens SET refused_until = now() WHERE refused_until IS NOT NULL AND tenant_id = $1",
            self.tenant_id,
        )

    async def age(self, days: float) -> None:
        await self.admin.execute(
            "UPDATE servicedesk_credentials SET replaced_at = replaced_at - $2::interval,"
            " delete_after = delete_after - $2::interval WHERE tenant_id = $1",
            self.tenant_id,
            timedelta(days=days),
        )


@pytest.fixture(scope="module")
async def pool(postgres: Database) -> AsyncIterator[Pool]:
    async with await open_pool(postgres.dsns["operator"], service="operator", size=2) as pool:
        yield pool


@pytest.fixture(params=["onprem", "cloud"])
async def desk(request: pytest.FixtureRequest, pool: Pool, postgres: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    tenant_id, form = f"cred-{uuid4().hex[:8]}", str(request.param)
    variables = {
        "TICKETSTREAM_LOCAL": "1",
        "TICKETSTREAM_PUBLIC_URL": "https://tickets.example.com",
        "TICKETSTREAM_CREDENTIAL_KEYS": CREDENTIAL_RING,
    }
    admin = await asyncpg.connect(postgres.dsn)
    async with Simulator(seed=1) as simulator:
        around = Surroundings(tmp_path, variables)
        desk = Desk(Acting(around, pool, Operator("Sam", Role.SUPPORT)), simulator, tenant_id, form, admin)
        desk.takes("old")
        base = f"{simulator.url}/{tenant_id}" if form == "onprem" else f"{simulator.url}/app/{tenant_id}"
        await TenantStore(pool).create(
            NewTenant(tenant_id, base, desk.credential("old"), form),
            partitions=PARTITIONS,
            secrets=WebhookSecrets(pool, KeyRing.parse(WEBHOOK_RING, variable="TEST")),
            credentials=desk.credentials,
            change=Change("test"),
        )
        yield desk
    await admin.close()


async def test_a_credential_that_the_desk_takes_replaces_the_old_one_which_is_kept_for_7_days(desk: Desk) -> None:
    desk.takes("new")

    done = await replace_credential(desk.at_work, desk.tenant_id, Wish(desk.credential("new"), "SUP-17"))

    assert done.trial.verdict is Verdict.GOOD
    assert await desk.current() == desk.credential("new")
    assert await desk.credentials.previous(desk.tenant_id) == desk.credential("old")
    shown = (await desk.shown())["servicedesk_credential"]
    assert isinstance(shown, dict)
    assert (shown["by"], done.now.by) == ("Sam", "Sam")
    assert done.now.previous_until and done.now.previous_until - done.now.since > timedelta(days=6, hours=23)
    assert shown["roll-back until"]
    audited = await desk.audited()
    assert audited == [("tenant replace-credential", "servicedesk_api_key", "***", "***", "SUP-17")]


async def test_a_credential_that_the_desk_refuses_changes_nothing_and_is_audited(desk: Desk) -> None:
    with pytest.raises(Failure, match=r"refuses this credential .*nothing was changed") as refused:
        await replace_credential(desk.at_work, desk.tenant_id, Wish(desk.credential("typo")))

    assert refused.value.exit_code == 1
    assert "administrator" in refused.value.cure
    assert "typo" not in str(refused.value)
    assert await desk.current() == desk.credential("old")
    ((operation, _, old, new, _),) = await desk.audited()
    assert operation == "tenant replace-credential (refused)"
    assert (old, "typo" in str(new)) == ("***", False)
    assert (await desk.shown())["servicedesk_credential"] == {
        "since": (await desk.shown())["servicedesk_credential"]["since"],  # type: ignore[index]
        "by": "test",
        "roll-back until": None,
    }


async def test_even_an_engineer_cannot_take_what_the_desk_refuses(desk: Desk) -> None:
    engineer = Acting(desk.at_work.around, desk.at_work.pool, Operator("Erin", Role.ENGINEER))
    with pytest.raises(Failure, match="refuses this credential"):
        await replace_credential(engineer, desk.tenant_id, Wish(desk.credential("typo"), untested=True))
    assert await desk.current() == desk.credential("old")


async def test_a_desk_that_does_not_answer_changes_nothing_but_for_an_engineer(desk: Desk) -> None:
    (port,) = free_ports(1)
    await TenantStore(desk.at_work.pool).set(
        desk.tenant_id, {"servicedesk_base_url": f"http://127.0.0.1:{port}/away"}, Change("test")
    )
    wish = Wish(desk.credential("new") if desk.form == "onprem" else desk.credential("old"))
    with pytest.raises(Failure, match=r"could not be tried.*--untested"):
        await replace_credential(desk.at_work, desk.tenant_id, wish)
    with pytest.raises(Failure, match="--untested is for engineers"):
        await replace_credential(desk.at_work, desk.tenant_id, Wish(wish.credential, untested=True))
    assert await desk.current() == desk.credential("old")

    engineer = Acting(desk.at_work.around, desk.at_work.pool, Operator("Erin", Role.ENGINEER))
    done = await replace_credential(engineer, desk.tenant_id, Wish(wish.credential, "SUP-9", untested=True))

    assert done.trial.verdict is Verdict.UNTRIED
    assert (await desk.audited())[-1][-1].startswith("SUP-9 (untested: ")
    assert await desk.current() == wish.credential


@pytest.mark.parametrize("kind", ["error", "login_page", "rate_limit"])
async def test_trouble_of_the_desk_is_no_wrong_credential(desk: Desk, kind: Any) -> None:
    desk.takes("new")
    desk.simulator.faults_of(desk.tenant_id).set([DeskFault(kind=kind, operation="list_requests", calls=1, status=503)])
    with pytest.raises(Failure, match="could not be tried"):
        await replace_credential(desk.at_work, desk.tenant_id, Wish(desk.credential("new")))
    await replace_credential(desk.at_work, desk.tenant_id, Wish(desk.credential("new")))
    assert await desk.current() == desk.credential("new")


async def test_roll_back_puts_the_old_one_back_if_the_desk_still_takes_it_and_forth_again(desk: Desk) -> None:
    desk.takes("new")
    await replace_credential(desk.at_work, desk.tenant_id, Wish(desk.credential("new")))

    with pytest.raises(Failure, match="refuses the previous credential"):
        await replace_credential(desk.at_work, desk.tenant_id, Wish(None))
    assert await desk.current() == desk.credential("new")
    await desk.forget_refusals()

    for secret, other in (("old", "new"), ("new", "old")):
        desk.takes(secret)
        done = await replace_credential(desk.at_work, desk.tenant_id, Wish(None, "it was the wrong one"))
        assert await desk.current() == desk.credential(secret)
        assert await desk.credentials.previous(desk.tenant_id) == desk.credential(other)
        assert done.now.by == "Sam"
    operations = [entry[0] for entry in await desk.audited()]
    assert operations == [
        "tenant replace-credential",
        "tenant replace-credential --roll-back (refused)",
        "tenant replace-credential --roll-back",
        "tenant replace-credential --roll-back",
    ]


async def test_what_was_replaced_7_days_ago_is_gone(desk: Desk, postgres: Database) -> None:
    desk.takes("new")
    await replace_credential(desk.at_work, desk.tenant_id, Wish(desk.credential("new")))
    async with await open_pool(postgres.dsns["reconcile"], service="reconcile", size=1) as reconcile:
        await desk.age(6.9)
        assert await forget_replaced(reconcile, desk.tenant_id) == 0
        await desk.age(0.2)
        with pytest.raises(Failure, match=r"no credential .* was replaced within the last 7 days"):
            await replace_credential(
                Acting(desk.at_work.around, desk.at_work.pool, desk.at_work.operator), desk.tenant_id, Wish(None)
            )
        version = await desk.admin.fetchval("SELECT version FROM config_version")
        assert await forget_replaced(reconcile, desk.tenant_id) == 0, "the command deleted it already"
        assert await desk.admin.fetchval("SELECT version FROM config_version") == version, "nobody reloads for nothing"

    left = await desk.admin.fetch("SELECT * FROM servicedesk_credentials WHERE tenant_id = $1", desk.tenant_id)
    assert len(left) == 1
    assert ("desk credential deleted", "servicedesk_api_key", "***") in [entry[:3] for entry in await desk.audited()]


async def test_a_tenant_that_nobody_knows_is_refused(desk: Desk) -> None:
    with pytest.raises(LookupError):
        await replace_credential(desk.at_work, "nobody", Wish(desk.credential("new")))


async def test_nothing_of_a_credential_is_in_a_value_that_may_be_shown(desk: Desk) -> None:
    access = await desk.credentials.get(desk.tenant_id)
    assert "old" not in repr(access)
    assert desk.credential("old") not in json.dumps(await desk.shown(), default=str)
