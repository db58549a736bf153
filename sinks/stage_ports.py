"""Opens what every stage needs from outside: its database role's pool, the tenants, the keys, the publisher, holds, dead letters.

A stage's `__main__` adds its own adapters to this and hands both to the runner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from infra.runtime.kafka.client_settings import KafkaClient, KafkaSettings
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.kafka.schema_registry import codec_with
from infra.runtime.kafka.topics import check_partition_counts_when_ready
from infra.runtime.keys.directory import KeyDirectory
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool, open_pool_when_ready
from infra.runtime.stream.runner import StagePorts, StageSpec, Surroundings, run_stage
from infra.runtime.stream.settings import StageSettings
from infra.runtime.telemetry import logs, tracing
from infra.runtime.telemetry.internal_server import CheckResult
from infra.runtime.telemetry.metrics import known_tenants
from schemas.topics import Stage
from sinks.dead_letters import DeadLetterTopic
from sinks.failed_enhancements import FailedEnhancements
from sinks.postgres.isolation import isolation_watched
from sinks.postgres.lane_holds import LaneHolds
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenants import TenantDirectory

POOL_SIZE = 8


@dataclass(frozen=True, slots=True)
class StageContext:
    """What a stage's own adapters are built from. `run` runs the stage until it is told to stop; its exit code."""

    settings: StageSettings
    pool: Pool
    tenants: TenantDirectory
    ports: StagePorts

    async def run(self, spec: StageSpec) -> int:
        async def database() -> CheckResult:
            fresh = self.tenants.loaded and self.tenants.age_seconds < 30
            return CheckResult(
                fresh, "" if fresh else "PostgreSQL hasn't answered for 30 s", required=not self.tenants.loaded
            )

        surroundings = Surroundings(
            prefix=self.settings.topic_prefix,
            internal_host=self.settings.internal_host,
            internal_port=self.settings.internal_port,
            ports_file=self.settings.ports_file,
            run_dir=self.settings.run_dir,
            checks={"database": database},
        )
        return await run_stage(spec, self.ports, surroundings)


@asynccontextmanager
async def open_stage(stage: Stage, settings: StageSettings, kafka: KafkaSettings) -> AsyncIterator[StageContext]:
    """Waits for PostgreSQL and Kafka, loads tenants and keys, checks the topics. Raises what names the cure when they don't fit."""
    logs.configure(stage.value, settings.log_level)
    tracing.configure(stage.value, settings.otlp_endpoint)
    signing_key = SigningKey.load(settings.signing_key_file, service=stage.value)
    pool = await open_pool_when_ready(settings.database_url, service=stage.value, size=POOL_SIZE)
    tenants, keys = TenantDirectory(pool, told=partial(known_tenants, stage)), KeyDirectory(ServiceKeys(pool).load)
    client = KafkaClient(kafka)
    await check_partition_counts_when_ready(client.librdkafka(), settings.topic_prefix)
    await keys.refresh()
    await tenants.start()
    watching = asyncio.create_task(keys.run())
    producer = Producer(client.librdkafka())
    codec = await codec_with(settings.schema_registry_url, settings.topic_prefix)
    publisher = Publisher(producer, signing_key, codec=codec, prefix=settings.topic_prefix)
    ports = StagePorts(
        kafka=client,
        limits=tenants,
        keys=keys,
        publisher=publisher,
        dead_letters=DeadLetterTopic(publisher),
        holds=LaneHolds(pool),
        codec=codec,
        max_hold=timedelta(hours=settings.hold_hours),
        failed_events=FailedEnhancements(pool),
        producer_silent=producer.silent_seconds,
    )

    def known() -> list[str]:
        return [tenant.tenant_id for tenant in tenants.all()]

    probe = settings.isolation_probe_seconds
    try:
        async with isolation_watched(lambda: pool, known, who=stage.value, every_seconds=probe):
            yield StageContext(settings, pool, tenants, ports)
    finally:
        watching.cancel()
        await tenants.stop()
        await producer.stop()
        await pool.close()
        await asyncio.to_thread(tracing.close)
