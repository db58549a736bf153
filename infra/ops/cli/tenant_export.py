"""What `tenant export` does, with what is refused said in a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.ops.cli.acting import acting
from infra.ops.cli.delivered_notes import delivered_on_kafka, kafka_failure
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import Output
from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.tenancy import refusals
from infra.ops.leaving.exporting import Exporting
from infra.ops.leaving.package import NoPlace, Package
from infra.ops.leaving.tables import Format
from infra.ops.replay.spans import KafkaSilent
from sinks.postgres.audit_log import AuditLog
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
                async with delivered_on_kafka(at_work) as delivered:
                    exporting = Exporting(at_work.pool, delivered, form, say=output.say)
                    return await exporting.export(tenant_id, partition, package)
        except NoPlace as error:
            raise WrongUse(str(error), "name a place in --out that isn't there yet, in a folder that is") from None
        except KafkaSilent as error:
            raise kafka_failure(error) from None
