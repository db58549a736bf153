"""Tenants as operators make and change them: each change with its range, its reason and its entry in the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import asyncpg

from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import Connection, tenant_transaction
from schemas.times import rfc3339
from sinks.postgres import audit_log
from sinks.postgres.audit_log import MASKED, Change
from sinks.postgres.credentials import DeskCredentials, stored_ca
from sinks.postgres.tenant_directory import TenantDirectory, load_tenants
from sinks.postgres.tenant_settings import (
    BEARER,
    CA,
    SIGNATURE,
    TENANT_ID,
    BadSetting,
    TenantSettings,
    Value,
    parse,
    told,
)
from sinks.postgres.webhook_secrets import WebhookSecret, WebhookSecrets

__all__ = ["Change", "NewTenant", "TenantDirectory", "TenantSettings", "TenantStore"]

_AGREED = {"external_model": "agreed", "webhook_auth": "approved", "webhook_sources": "approved"}
_PARTITION_LOCK = 7_263_019_184
"""Advisory lock under which partitions are given out."""


class TenantExists(ValueError):
    """There is a tenant of that name."""


class ErasedLately(ValueError):
    """A tenant of that name was erased within a day: what is left of it somewhere on its way would be taken for the new one's."""


class NoSuchTenant(LookupError):
    """There is no tenant of that name; `ticketstream tenant list` shows those there are."""


class NoPartitionFree(RuntimeError):
    """Every partition is taken: grow the topics with `ticketstream topics ensure --partitions N`."""


@dataclass(frozen=True, slots=True)
class NewTenant:
    """`credential` is the desk's API key, or for the cloud form the JSON of an OAuth client. `settings` as texts or values."""

    tenant_id: str
    servicedesk_base_url: str
    credential: str = field(repr=False)
    servicedesk_form: str = "onprem"
    settings: Mapping[str, str | Value] = field(default_factory=dict)


class TenantStore:
    """Raises PostgresUnavailable when PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self, new: NewTenant, *, partitions: int, secrets: WebhookSecrets, credentials: DeskCredentials, change: Change
    ) -> tuple[TenantSettings, WebhookSecret]:
        """The tenant on the lowest free partition below `partitions`, with its first webhook secret, which is shown once.
        Raises BadSetting, TenantExists, ErasedLately, NoPartitionFree; then nothing was made."""
        if not TENANT_ID.match(new.tenant_id):
            raise BadSetting(
                "a tenant id has 1-64 letters, digits, dots, underscores and hyphens, and starts with neither of these"
            )
        values = parse(
            {**new.settings, "servicedesk_base_url": new.servicedesk_base_url, "servicedesk_form": new.servicedesk_form}
        )
        _check_bearer_mode(values, change, None)
        try:
            async with tenant_transaction(self._pool, new.tenant_id) as connection:
                partition = await _free_partition(connection, new.tenant_id, partitions)
                await _insert(connection, new.tenant_id, partition)
                await _update(connection, new.tenant_id, values, change)
                await credentials.add(connection, new.tenant_id, new.credential, who=change.who)
                secret = await secrets.add(connection, new.tenant_id, who=change.who)
                entry = change.entry(new.tenant_id, "tenant create", f"partition {partition}", None, _shown(values))
                await audit_log.write(connection, entry)
        except asyncpg.UniqueViolationError as error:
            raise TenantExists(f"there is a tenant {new.tenant_id!r} already") from error
        return await self.show(new.tenant_id), secret

    async def list(self) -> list[TenantSettings]:
        """By partition."""
        return await load_tenants(self._pool)

    async def show(self, tenant_id: str) -> TenantSettings:
        """Raises NoSuchTenant."""
        for tenant in await self.list():
            if tenant.tenant_id == tenant_id:
                return tenant
        raise NoSuchTenant(f"there is no tenant {tenant_id!r}: ticketstream tenant list shows those there are")

    async def set(self, tenant_id: str, settings: Mapping[str, str | Value], change: Change) -> TenantSettings:
        """Effective in every process within 5 s. Raises BadSetting, NoSuchTenant; then nothing was changed."""
        before, values = await self.show(tenant_id), parse(settings)
        _check_bearer_mode(values, change, before)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            old = {name: await _old(connection, before, name) for name in values}
            await _update(connection, tenant_id, values, change)
            for name, value in values.items():
                entry = replace(change, reason=_why(name, change)).entry(
                    tenant_id, "tenant set", name, told(name, old[name]), told(name, value)
                )
                await audit_log.write(connection, entry)
        return await self.show(tenant_id)

    async def enable(self, tenant_id: str, enabled: bool, change: Change) -> TenantSettings:
        """A disabled tenant's webhooks are refused, and what is in flight is held. Raises NoSuchTenant, and ErasedLately for one
        that is being erased."""
        before = await self.show(tenant_id)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await _refuse_erased(connection, tenant_id)
            await connection.execute(
                "UPDATE tenant_configs SET enabled = $2, updated_at = now() WHERE tenant_id = $1", tenant_id, enabled
            )
            operation = "tenant enable" if enabled else "tenant disable"
            await audit_log.write(
                connection,
                change.entry(tenant_id, operation, "enabled", str(before.enabled), str(enabled)),
            )
        return await self.show(tenant_id)

    async def replace_credential(
        self, tenant_id: str, credential: str, credentials: DeskCredentials, change: Change
    ) -> None:
        """The old one is kept for 7 days. Raises NoSuchTenant."""
        await self.show(tenant_id)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await credentials.add(connection, tenant_id, credential, who=change.who)
            await _credential_changed(connection, tenant_id, "tenant replace-credential", change)

    async def roll_back_credential(
        self, tenant_id: str, credential: str, credentials: DeskCredentials, change: Change
    ) -> None:
        """The previous one, which is `credential`, takes the current one's place, which is kept for 7 days. Raises NoSuchTenant,
        NothingToRollBackTo."""
        await self.show(tenant_id)
        async with tenant_transaction(self._pool, tenant_id) as connection:
            await credentials.roll_back(connection, tenant_id, credential, who=change.who)
            await _credential_changed(connection, tenant_id, "tenant replace-credential --roll-back", change)


async def _credential_changed(connection: Connection, tenant_id: str, operation: str, change: Change) -> None:
    await _update(connection, tenant_id, {}, change)  # so that what is held for the old one is tried again
    await audit_log.write(connection, change.entry(tenant_id, operation, "servicedesk_api_key", MASKED, MASKED))


async def _free_partition(connection: Connection, tenant_id: str, partitions: int) -> int:
    """Held until the transaction ends, so that two tenants made at once get two partitions."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _PARTITION_LOCK)
    taken = {row["partition"] for row in await connection.fetch("SELECT partition FROM tenant_directory()")}
    taken |= await _refuse_erased(connection, tenant_id)
    free = next((number for number in range(partitions) if number not in taken), None)
    if free is None:
        raise NoPartitionFree(
            f"all {partitions} partitions are taken. Grow the topics with: ticketstream topics ensure --partitions {2 * partitions}"
        )
    return free


async def _refuse_erased(connection: Connection, tenant_id: str) -> set[int]:
    """Partitions of tenants that were erased lately. Raises ErasedLately if this is one of them."""
    rows = await connection.fetch("SELECT tenant_id, partition, free_from FROM erased_partitions()")
    for row in rows:
        if row["tenant_id"] == tenant_id:
            raise ErasedLately(_when_free(tenant_id, row["free_from"]))
    return {row["partition"] for row in rows}


def _when_free(tenant_id: str, free_from: datetime | None) -> str:
    if free_from is None:
        return f"the erasure of {tenant_id!r} is not finished: ticketstream tenant erase {tenant_id}"
    return f"a tenant {tenant_id!r} was erased lately: wait until {rfc3339(free_from, 'seconds')}, or choose another id"


async def _insert(connection: Connection, tenant_id: str, partition: int) -> None:
    await connection.execute(
        "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://unset.invalid')",
        tenant_id,
        partition,
    )


async def _update(connection: Connection, tenant_id: str, values: Mapping[str, Value], change: Change) -> None:
    columns: dict[str, object] = dict(values)
    if values.get("external_model") is True:
        if not change.agreed_by:
            raise BadSetting(
                "external_model: say who agreed that ticket text may leave for an outside model: --agreed-by NAME"
            )
        columns["external_model_agreed_by"] = change.agreed_by
    if values.get("webhook_auth") == BEARER or "webhook_sources" in values:
        columns["webhook_auth_approved_by"] = change.agreed_by
    assignments = [
        f"{name} = ${number}" for number, name in enumerate(columns, 2)
    ]  # names are ours: parse() refuses others
    if "external_model_agreed_by" in columns:
        assignments.append("external_model_agreed_at = now()")
    if "webhook_auth_approved_by" in columns:
        assignments.append("webhook_auth_approved_at = now()")
    assignments.append("updated_at = clock_timestamp()")
    statement = f"UPDATE tenant_configs SET {', '.join(assignments)} WHERE tenant_id = $1"  # noqa: S608 — columns of ours
    await connection.execute(statement, tenant_id, *columns.values())


async def _old(connection: Connection, before: TenantSettings, name: str) -> Value:
    found: Value = await stored_ca(connection, before.tenant_id) if name == CA else getattr(before, name)
    return found


def _check_bearer_mode(values: Mapping[str, Value], change: Change, before: TenantSettings | None) -> None:
    """Raises BadSetting where a tenant would be in bearer mode without addresses, or without somebody who approved of it."""
    auth = values.get("webhook_auth", before.webhook_auth if before else SIGNATURE)
    if auth != BEARER or not {"webhook_auth", "webhook_sources"} & values.keys():
        return
    if not values.get("webhook_sources", before.webhook_sources if before else ""):
        raise BadSetting("webhook_auth: bearer mode needs addresses: webhook_sources=203.0.113.7,198.51.100.0/24")
    if not change.agreed_by:
        raise BadSetting("webhook_auth: say which engineer approved of bearer mode: --approved-by NAME")


def _shown(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name}={told(name, value)}" for name, value in values.items())


def _why(name: str, change: Change) -> str:
    agreed = f"{_AGREED[name]} by {change.agreed_by}" if name in _AGREED and change.agreed_by else ""
    return ". ".join(part for part in (change.reason, agreed) if part)
