"""A tenant's desk from what is stored: what can't be read is no account, never an exception."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from infra.runtime.keys.rings import KeyRingError
from sinks.postgres.credentials import DeskAccess, NoCredential
from sinks.servicedesk.accounts import StoredDeskAccounts
from sinks.servicedesk.types import DeskAccount, DeskForm


@dataclass
class Settings:
    servicedesk_base_url: str = "https://desk.example"
    servicedesk_form: str = "cloud"
    changed_at: datetime | None = None


class Tenants:
    def __init__(self) -> None:
        self.acme = Settings()

    def of_tenant(self, tenant_id: str) -> Settings | None:
        return self.acme if tenant_id == "acme" else None


class Credentials:
    def __init__(self, stored: str | Exception) -> None:
        self._stored = stored

    def replace(self, stored: str) -> None:
        self._stored = stored

    async def get(self, tenant_id: str) -> DeskAccess:
        if isinstance(self._stored, Exception):
            raise self._stored
        return DeskAccess(self._stored, "its ca")


async def test_an_account_is_settings_and_credential_and_hides_the_secret() -> None:
    account = await StoredDeskAccounts(Tenants(), Credentials("secret")).of("acme")
    assert account == DeskAccount("acme", "https://desk.example", DeskForm.CLOUD, "secret", "its ca")
    assert "secret" not in repr(account)


@pytest.mark.parametrize("error", [NoCredential("none"), KeyRingError("key k1 is not in the ring")])
async def test_a_credential_that_is_not_there_or_not_readable_is_no_account(error: Exception) -> None:
    assert await StoredDeskAccounts(Tenants(), Credentials(error)).of("acme") is None


async def test_an_unknown_tenant_has_no_account() -> None:
    assert await StoredDeskAccounts(Tenants(), Credentials("secret")).of("other") is None


async def test_a_replaced_credential_counts_within_two_seconds() -> None:
    now, credentials = [1000.0], Credentials("old")
    accounts = StoredDeskAccounts(Tenants(), credentials, now=lambda: now[0])
    assert (first := await accounts.of("acme"))
    credentials.replace("new")
    now[0] += 1.9
    assert await accounts.of("acme") == first
    now[0] += 0.2
    account = await accounts.of("acme")
    assert account is not None
    assert account.credential == "new"


async def test_what_cannot_be_read_is_asked_for_again_at_once() -> None:
    credentials = Credentials(NoCredential("none"))
    accounts = StoredDeskAccounts(Tenants(), credentials)
    assert await accounts.of("acme") is None
    credentials.replace("new")
    assert await accounts.of("acme") is not None


async def test_a_change_of_the_tenant_is_a_reason_to_read_the_credential_again_at_once() -> None:
    tenants, credentials = Tenants(), Credentials("old")
    accounts = StoredDeskAccounts(tenants, credentials, now=lambda: 1000.0)
    await accounts.of("acme")
    credentials.replace("new")
    tenants.acme.changed_at = datetime(2026, 11, 21, tzinfo=UTC)
    account = await accounts.of("acme")
    assert account is not None
    assert account.credential == "new"
