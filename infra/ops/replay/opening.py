"""Opens what a replay works with: Kafka as an onlooker, the operator's database role, and the signing key of `replay`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.ops.cli.acting import Acting, Operator, acting
from infra.ops.cli.failure import Failure
from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
from infra.ops.cli.surroundings import Surroundings
from infra.ops.replay.selection import Verifying
from infra.ops.replay.spans import KafkaSpans
from infra.ops.replay.standing_back import KafkaGroups, Lags
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.kafka.schema_registry import codec_with
from infra.runtime.keys.directory import KeyDirectory
from infra.runtime.keys.signing import SigningKey
from infra.runtime.postgres.pool import Pool
from infra.runtime.telemetry import logs, tracing
from schemas.topics import SIGNED_BY
from sinks.postgres.answered import Answered
from sinks.postgres.replay_runs import ReplayRuns
from sinks.postgres.replayed_letters import ReplayedLetters
from sinks.postgres.service_keys import ServiceKeys
from sinks.postgres.tenant_directory import TenantDirectory, load_tenants
from sinks.postgres.tenant_settings import TenantSettings

SERVICE = "replay"
KEY_FILE = "TICKETSTREAM_REPLAY_SIGNING_KEY_FILE"


@dataclass(frozen=True, slots=True)
class Opened:
    """`tenants` as they are now, by partition."""

    at_work: Acting
    pool: Pool
    tenants: tuple[TenantSettings, ...]
    keys: KeyDirectory
    spans: KafkaSpans
    verifying: Verifying

    @property
    def around(self) -> Surroundings:
        return self.at_work.around

    @property
    def operator(self) -> Operator:
        return self.at_work.operator

    @property
    def runs(self) -> ReplayRuns:
        return ReplayRuns(self.pool, self.operator.role.value)

    @property
    def answered(self) -> Answered:
        return Answered(self.pool)

    @property
    def letters(self) -> ReplayedLetters:
        return ReplayedLetters(self.pool)


@asynccontextmanager
async def open_reading(around: Surroundings, *tenants: str) -> AsyncIterator[Opened]:
    """For looking only, by whoever runs this command. Raises Failure, and what the database raises when it is away."""
    logs.configure(SERVICE, "WARNING")
    config = kafka_config(around)
    async with acting(around, *tenants) as at_work:
        pool = at_work.pool
        directory, keys = TenantDirectory(pool), KeyDirectory(ServiceKeys(pool).load)
        known = await load_tenants(pool)
        await directory.start()
        await keys.refresh()
        codec = await codec_with(around.variables.get("SCHEMA_REGISTRY_URL"), around.topic_prefix)
        with kafka_variables_checked():
            spans = KafkaSpans(config, prefix=around.topic_prefix)
        try:
            yield Opened(at_work, pool, tuple(known), keys, spans, Verifying(keys, directory, codec))
        finally:
            spans.close()
            await directory.stop()


@asynccontextmanager
async def open_publishing(opened: Opened) -> AsyncIterator[tuple[Publisher, Lags]]:
    """For doing it. Raises Failure where the service `replay` has no key that every reader knows, SigningKeyError."""
    around = opened.around
    key = _signing_key(opened)
    config = kafka_config(around)
    groups = KafkaGroups(config, prefix=around.topic_prefix)
    lags = Lags(groups, prefix=around.topic_prefix)
    producer = Producer(config, on_written=lags.wrote)
    tracing.configure(SERVICE, around.variables.get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    try:
        yield Publisher(producer, key, codec=opened.verifying.codec, prefix=around.topic_prefix), lags
    finally:
        await producer.stop()
        groups.close()
        await asyncio.to_thread(tracing.close)


def kafka_config(around: Surroundings) -> dict[str, Any]:
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    return client_config(dict(around.variables))


def _signing_key(opened: Opened) -> SigningKey:
    """One whose signature no stage refuses: events signed too early would be dead letters."""
    key = SigningKey.load(Path(opened.around.need(KEY_FILE)), service=SERVICE)
    published = opened.keys.find(key.key_id)
    if published is None or published.revoked_at is not None:
        raise Failure(
            f"{KEY_FILE}: the key {key.key_id} is not published, or was revoked",
            f"make one with: ticketstream key create {SERVICE} --out FILE",
        )
    now = datetime.now(UTC)
    if not all(published.may_sign(topic, now) for topic in SIGNED_BY[SERVICE]):
        raise Failure(
            f"{KEY_FILE}: the key {key.key_id} may sign from {published.not_before:%H:%M:%S} UTC on",
            "wait until then, so that every reader knows it",
        )
    return key
