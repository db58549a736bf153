"""What `tenant export` does, with what is refused said in a line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from infra.ops.cli.acting import Acting, acting
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.kafka_reader import kafka_variables_checked
from infra.ops.cli.output import Output
from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.tenancy import refusals
from infra.ops.leaving.delivered import DeliveredOnKafka
from infra.ops.leaving.exporting import Exporting
from infra.ops.leaving.package import NoPlace, Package
from infra.ops.leaving.tables import Format
from infra.ops.replay.opening import kafka_config
from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import KafkaSilent, KafkaSpans
from infra.runtime.kafka.schema_registry import codec_with
from infra.runtime.keys.directory import KeyDirectory
from sinks.postgres.audit_log import AuditLog
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenant_directory import TenantDirectory
from sinks.postgres.tenants import TenantStore


async def export_tenant(tenant_id: str, out: Path, form: Format, reason: str, output: Output) -> dict[str, Any]:
    """The manifest. Raises Failure, and what PostgreSQL raises."""
    around = Surroundings.find()
    async with acting(around, tenant_id) as at_work:
        with refusals():
            partition = (await TenantStore(at_work.pool).show(tenant_id)).partition
        try:
            with Package(out) as package:
                entry = at_work.operator.change(reason).entry(tenant_id, "tenant export", f"all data, {form.value}")
                await AuditLog(at_work.pool).write(entry)  # before anything is seen
                async with _delivered(at_work) as delivered:
                    exporting = Exporting(at_work.pool, delivered, form, say=output.say)
                    return await exporting.export(tenant_id, partition, package)
        except NoPlace as error:
            raise WrongUse(str(error), "name a place in --out that isn't there yet, in a folder that is") from None
        except KafkaSilent as error:
            what, _, cure = str(error).partition(": ")
            raise Failure(what, cure or "check KAFKA_BOOTSTRAP_SERVERS") from None


@asynccontextmanager
async def _delivered(at_work: Acting) -> AsyncIterator[DeliveredOnKafka]:
    around, pool = at_work.around, at_work.pool
    tenants, keys = TenantDirectory(pool), KeyDirectory(ServiceKeys(pool).load)
    await tenants.refresh()
    await keys.refresh()
    codec = await codec_with(around.variables.get("SCHEMA_REGISTRY_URL"), around.topic_prefix)
    with kafka_variables_checked():
        spans = KafkaSpans(kafka_config(around), prefix=around.topic_prefix)
    try:
        yield DeliveredOnKafka(spans, Verifying(keys, tenants, codec))
    finally:
        spans.close()
