"""Whether the tenant's partition is there in every topic and nobody else's, and every stage works on it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.ops.cli.acting import Acting
from infra.ops.cli.kafka_reader import client_config
from infra.ops.onboarding.check import Check, Checks, failed, passed, unknown
from infra.runtime.kafka.topics import BrokersUnreachable, TopicsError, check_partition_counts
from schemas.topics import Stage
from sinks.postgres.tenant_directory import load_tenants
from sinks.postgres.tenant_settings import TenantSettings

NAMES = ("partition", "stages")
ANSWER_SECONDS = 4.0
REBALANCE_SECONDS = 5.0
AGAIN_SECONDS = 0.5
_KAFKA = "check KAFKA_BOOTSTRAP_SERVERS and that the brokers run"


async def kafka_checks(at_work: Acting, tenant: TenantSettings) -> Checks:
    config, prefix = client_config(dict(at_work.around.variables)), at_work.around.topic_prefix
    alone = [one.tenant_id for one in await load_tenants(at_work.pool) if one.partition == tenant.partition]
    partition, stages = await asyncio.gather(
        _partition(config, prefix, tenant, alone == [tenant.tenant_id]),
        asyncio.to_thread(_stages, config, prefix, tenant.partition),
    )
    return {"partition": partition, "stages": stages}


async def _partition(config: dict[str, Any], prefix: str, tenant: TenantSettings, alone: bool) -> Check:
    try:
        there = await check_partition_counts(config, prefix)
    except BrokersUnreachable as error:
        return unknown(str(error), _KAFKA)
    except TopicsError as error:
        return failed(str(error), "ticketstream topics ensure")
    if tenant.partition >= there:
        return failed(
            f"the topics have only {there} partitions, the tenant's is {tenant.partition}", "ticketstream topics ensure"
        )
    if not alone:
        return failed("another tenant has the same partition", "call engineering: two tenants must never share one")
    return passed(f"number {tenant.partition} in every topic, the tenant's alone")


def _stages(config: dict[str, Any], prefix: str, partition: int) -> Check:
    """Blocks for 9 s at most. A group that rebalances is looked at again: for a moment nobody has the partition then."""
    admin = AdminClient({"log_level": 0, "socket.connection.setup.timeout.ms": 3000, **config})
    end, found = time.monotonic() + REBALANCE_SECONDS, unknown("not asked", _KAFKA)
    while not found.ok and time.monotonic() < end:
        try:
            found = _told(_idle(admin, prefix, partition))
        except (KafkaException, TimeoutError) as error:
            found = unknown(f"Kafka doesn't tell who works on it ({error})", _KAFKA)
        if not found.ok:
            time.sleep(AGAIN_SECONDS)
    return found


def _idle(admin: AdminClient, prefix: str, partition: int) -> list[str]:
    """The stages that nobody works in on this partition. Raises KafkaException, TimeoutError."""
    groups = {stage.group(prefix): stage for stage in Stage}
    asked = admin.describe_consumer_groups(list(groups), request_timeout=ANSWER_SECONDS)
    found = {stage: asked[group].result(ANSWER_SECONDS) for group, stage in groups.items()}
    return [
        stage.value for stage, group in found.items() if not _works_on(group, stage.consumes.named(prefix), partition)
    ]


def _told(idle: list[str]) -> Check:
    if not idle:
        return passed("every stage works on it")
    cure = "see that the stage runs (its /readyz and its log); while its group rebalances, try again in a minute"
    return failed(f"nobody works on it for {', '.join(idle)}", cure)


def _works_on(group: Any, topic: str, partition: int) -> bool:
    return any(
        place.topic == topic and place.partition == partition
        for member in group.members
        if member.assignment
        for place in member.assignment.topic_partitions
    )
