"""What commands and the demo do with tenants, on top of the stores: the same steps with the same errors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.ops.cli.database import operator_pool, ring
from infra.ops.cli.desk_trial import checked_url
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.running import run_async
from infra.ops.cli.surroundings import Surroundings
from infra.runtime.postgres.pool import Pool
from infra.runtime.postgres.tenant import tenant_transaction
from ingest.verifier import raw_key
from sinks.postgres.audit_log import AuditLog
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import BadSetting, TenantSettings
from sinks.postgres.tenants import (
    Change,
    ErasedLately,
    NewTenant,
    NoPartitionFree,
    NoSuchTenant,
    TenantExists,
    TenantStore,
)
from sinks.postgres.webhook_secrets import COLUMN, WebhookSecret, WebhookSecrets

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Created:
    """`secret` can't be shown again."""

    settings: TenantSettings
    secret: WebhookSecret
    webhook_url: str


@contextmanager
def refusals() -> Iterator[None]:
    """What the tenants' store refuses, as failures of a command."""
    try:
        yield
    except BadSetting as error:
        raise WrongUse("setting", str(error)) from None
    except TenantExists as error:
        raise Failure(str(error), "change it with `ticketstream tenant set`, or choose another id") from None
    except ErasedLately as error:
        what, _, cure = str(error).partition(": ")
        raise Failure(what, cure) from None
    except NoSuchTenant as error:
        what, _, cure = str(error).partition(": ")
        raise Failure(what, cure or "see: ticketstream tenant list") from None
    except NoPartitionFree as error:
        what, _, cure = str(error).partition(". ")
        raise Failure(what, cure) from None


async def create_tenant(around: Surroundings, pool: Pool, new: NewTenant, change: Change) -> Created:
    """The tenant on a partition of its own. Asks Kafka how many partitions there are. Raises Failure; then nothing was made."""
    from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
    from infra.runtime.kafka.topics import TopicsError, check_partition_counts

    checked_url(around, new.servicedesk_base_url)
    secrets = WebhookSecrets(pool, ring(around, "webhook_keys"))
    credentials = DeskCredentials(pool, ring(around, "credential_keys"))
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    try:
        with kafka_variables_checked():
            partitions = await check_partition_counts(client_config(dict(around.variables)), around.topic_prefix)
    except TopicsError as error:
        raise Failure("topics", str(error)) from None
    with refusals():
        settings, secret = await TenantStore(pool).create(
            new, partitions=partitions, secrets=secrets, credentials=credentials, change=change
        )
    return Created(settings, secret, around.webhook_url(new.tenant_id))


async def refuse_unknown(pool: Pool, tenant_id: str) -> None:
    """Raises WrongUse where there is no such tenant."""
    if all(tenant.tenant_id != tenant_id for tenant in await load_tenants(pool)):
        raise WrongUse(f"there is no tenant {tenant_id}", "see: ticketstream tenant list")


def refuse_unknown_when_reachable(around: Surroundings, tenant_id: str) -> None:
    """Raises WrongUse where the database knows no such tenant. One that isn't named or doesn't answer is not asked: Kafka alone is
    enough to read topics."""

    async def ask() -> None:
        async with operator_pool(around) as pool:
            await refuse_unknown(pool, tenant_id)

    try:
        run_async(ask)
    except WrongUse:
        raise
    except Failure:
        return


async def webhook_secret(around: Surroundings, pool: Pool, tenant_id: str) -> str:
    """The tenant's current secret in the form whsec_…, opened with the ring of the edge. Raises Failure where there is none."""
    async with tenant_transaction(pool, tenant_id) as connection:
        stored: str | None = await connection.fetchval(
            "SELECT secret FROM webhook_secrets WHERE tenant_id = $1 AND valid_until IS NULL", tenant_id
        )
    if stored is None:
        raise Failure(f"{tenant_id} is no tenant, or has no webhook secret", "see: ticketstream tenant list")
    return ring(around, "webhook_keys").decrypt(stored, tenant_id=tenant_id, column=COLUMN).decode()


async def current_webhook_secret(around: Surroundings, tenant_id: str) -> bytes:
    """The raw HMAC key, for whoever may touch the tenant, to send a webhook in its name: that is noted down in the audit log."""
    from infra.ops.cli.acting import acting

    async with acting(around, tenant_id) as at_work:
        key = raw_key(await webhook_secret(around, at_work.pool, tenant_id))
        entry = at_work.operator.change().entry(tenant_id, "webhook send", "signed with the tenant's secret")
        await AuditLog(at_work.pool).write(entry)
        return key


def pairs(given: tuple[str, ...]) -> Mapping[str, str]:
    """`NAME=VALUE` texts as a mapping. Raises WrongUse."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise WrongUse(f"{text!r} is not of the form NAME=VALUE", "for example max_concurrent_jobs=10")
        found[name.strip()] = value.strip()
    return found
