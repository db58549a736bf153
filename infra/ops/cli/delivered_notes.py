"""Opens what Kafka holds of delivered enhancements, for a command that a person runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.ops.cli.acting import Acting
from infra.ops.cli.failure import Failure
from infra.ops.cli.kafka_reader import kafka_variables_checked
from infra.ops.leaving.delivered import DeliveredOnKafka
from infra.ops.replay.opening import kafka_config
from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import KafkaSilent, KafkaSpans
from infra.runtime.kafka.schema_registry import codec_with
from infra.runtime.keys.directory import KeyDirectory
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenant_directory import TenantDirectory


@asynccontextmanager
async def delivered_on_kafka(at_work: Acting) -> AsyncIterator[DeliveredOnKafka]:
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


def kafka_failure(error: KafkaSilent) -> Failure:
    """What a person is told of it."""
    what, _, cure = str(error).partition(": ")
    return Failure(what, cure or "check KAFKA_BOOTSTRAP_SERVERS")
