"""What `tenant erase` does, with what is refused said in a line."""

from __future__ import annotations

from infra.ops.cli.acting import acting
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
from infra.ops.cli.output import Output
from infra.ops.cli.surroundings import Surroundings
from infra.ops.cli.tenancy import refusals
from infra.ops.leaving.erasing import Erasing
from infra.ops.leaving.erasing import StillWritten as RecordsStillWritten
from infra.ops.leaving.receipt import Receipt
from infra.runtime.kafka.partition_records import PartitionRecords
from infra.runtime.kafka.topic_report import TopicsError
from sinks.postgres.erasure import StillWritten, TenantEnabled, TenantErasure


async def erase_tenant(tenant_id: str, reason: str, output: Output) -> Receipt:
    """Raises Failure, and what PostgreSQL raises."""
    around = Surroundings.find()
    async with acting(around, tenant_id) as at_work:
        at_work.need_engineer("tenant erase")
        around.need("KAFKA_BOOTSTRAP_SERVERS")
        with kafka_variables_checked():
            records = PartitionRecords(client_config(dict(around.variables)), around.topic_prefix)
        erasing = Erasing(TenantErasure(at_work.pool), records, output.say)
        try:
            with refusals():
                return await erasing.erase(tenant_id, at_work.operator.change(reason))
        except TenantEnabled as error:
            raise WrongUse(str(error), f"disable it first: ticketstream tenant disable {tenant_id}") from None
        except (StillWritten, RecordsStillWritten) as error:
            raise Failure(str(error), "a process did not hear of it: look at its log, then run this again") from None
        except TopicsError as error:
            raise Failure(str(error), "what was done stays done: run this again once Kafka answers") from None
