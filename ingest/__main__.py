"""Runs the edge: `python -m ingest`. The only place where its adapters are chosen and wired."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from infra.runtime.garbage import collect_rarely
from infra.runtime.kafka.client_settings import KafkaClient, load_kafka
from infra.runtime.kafka.producer import Producer
from infra.runtime.kafka.publisher import Publisher
from infra.runtime.kafka.schema_registry import SchemaRegistryError, codec_with
from infra.runtime.kafka.topics import BrokersUnreachable, TopicsError, check_partition_counts
from infra.runtime.keys.signing import SigningKey, SigningKeyError
from infra.runtime.postgres.late_pool import LatePool
from infra.runtime.settings import MISCONFIGURED, load
from infra.runtime.telemetry import logs, tracing
from infra.runtime.telemetry.internal_server import InternalServer
from infra.runtime.telemetry.ports_file import write_ports
from ingest.app import Edge, PublicServer, public_app
from ingest.bearer import BearerTokens
from ingest.feedback_api import FeedbackApi
from ingest.feedback_links import FeedbackLinks
from ingest.feedback_queue import FeedbackQueue
from ingest.health import checks
from ingest.keys_route import KeysRoute
from ingest.ports import EventPublisher
from ingest.postgres_sources import (
    POOL_SIZE,
    PostgresFeedback,
    PostgresKeys,
    PostgresRefusals,
    PostgresSecretUses,
    PostgresTenants,
    PostgresTokens,
)
from ingest.refusals import Refusals
from ingest.registry import Registry
from ingest.secret_uses import SecretUses
from ingest.settings import IngestSettings
from ingest.tenants_view import TenantsView
from ingest.token_uses import TokenUses
from ingest.webhooks import WebhookEdge
from sinks.postgres.isolation import isolation_watched

SERVICE = "ingest"
RETRY_SECONDS = 1.0
PUBLISH_SECONDS = 5.0
LINGER_MS = 5  # fuller batches: an eighth less CPU a webhook, at Kafka even more
FLUSH_SECONDS = 3.0

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Notes:
    """What is noted beside the requests' path."""

    uses: SecretUses
    refusals: Refusals
    token_uses: TokenUses


def main() -> int:
    """0 after SIGTERM or SIGINT, 1 when it can't go on, 2 when a setting is wrong."""
    settings, kafka = load(IngestSettings), KafkaClient(load_kafka())
    logs.configure(SERVICE, settings.log_level)
    tracing.configure(SERVICE, settings.otlp_endpoint)
    try:
        signer = SigningKey.load(settings.signing_key_file, service=SERVICE)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, kafka, signer))
    except SigningKeyError as error:
        log.error("Not started", error=f"TICKETSTREAM_SIGNING_KEY_FILE: {error}")
        return MISCONFIGURED
    except (TopicsError, SchemaRegistryError, OSError) as error:
        log.error("Not started", error=str(error))
        return 1
    finally:
        tracing.close()
    return 0


async def _serve(settings: IngestSettings, kafka: KafkaClient, signer: SigningKey) -> None:
    logs.gather_on(asyncio.get_running_loop())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = LatePool(settings.database_url.get_secret_value(), service=SERVICE, size=POOL_SIZE)
    tenants = TenantsView(PostgresTenants(database), settings.webhook_ring)
    notes = _Notes(SecretUses(), Refusals(settings.source_addresses.of), TokenUses())
    background = [
        asyncio.create_task(work)
        for work in (
            tenants.run(),
            notes.uses.run(PostgresSecretUses(database)),
            notes.refusals.run(PostgresRefusals(database)),
            notes.token_uses.run(PostgresTokens(database)),
        )
    ]
    internal = InternalServer(
        checks=checks(tenants, kafka.servers), routes=Registry(prefix=settings.topic_prefix).routes()
    )
    await internal.start(settings.internal_host, settings.internal_port)
    try:
        if await _topics_fit(kafka, settings.topic_prefix, stop):
            collect_rarely()
            probe = settings.isolation_probe_seconds
            async with (
                isolation_watched(lambda: database.pool, tenants.ids, who=SERVICE, every_seconds=probe),
                _publisher(settings, kafka, signer) as publisher,
            ):
                await _serve_public(settings, _edge(settings, database, tenants, publisher, notes), internal.port, stop)
    finally:
        for task in background:
            task.cancel()
        await asyncio.wait(background)
        await internal.stop()
        await database.close()


async def _serve_public(settings: IngestSettings, edge: Edge, internal_port: int, stop: asyncio.Event) -> None:
    server = PublicServer(public_app(edge))
    await server.start(settings.ingest_host, settings.ingest_port)
    write_ports(settings.ports_file, internal=internal_port, public=server.port)
    log.info("Listening", public=server.port, internal=internal_port)
    try:
        await stop.wait()
    finally:
        log.info("Stopping")
        await server.stop()


async def _topics_fit(kafka: KafkaClient, prefix: str, stop: asyncio.Event) -> bool:
    """Waits for Kafka; false when told to stop meanwhile. Raises TopicsError when counts differ."""
    while not stop.is_set():
        try:
            await check_partition_counts(kafka.librdkafka(), prefix)
            return True
        except BrokersUnreachable as error:
            log.warning("Waiting for Kafka", error=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
    return False


@asynccontextmanager
async def _publisher(settings: IngestSettings, kafka: KafkaClient, signer: SigningKey) -> AsyncIterator[Publisher]:
    codec = await codec_with(settings.schema_registry_url, settings.topic_prefix)
    producer = Producer(kafka.librdkafka(), delivery_timeout=PUBLISH_SECONDS, linger_ms=LINGER_MS)
    try:
        yield Publisher(producer, signer, codec=codec, prefix=settings.topic_prefix)
    finally:
        if left := await producer.stop(FLUSH_SECONDS):
            log.warning("Records not acknowledged when stopping", records=left)


def _edge(
    settings: IngestSettings, database: LatePool, tenants: TenantsView, publisher: EventPublisher, notes: _Notes
) -> Edge:
    queue = FeedbackQueue(tenants, publisher)
    bearer = BearerTokens(PostgresTokens(database), addresses=settings.source_addresses, uses=notes.token_uses)
    return Edge(
        webhooks=WebhookEdge(
            tenants, publisher, uses=notes.uses, refusals=notes.refusals, sources=settings.source_addresses
        ),
        feedback=FeedbackApi(bearer, queue, PostgresFeedback(database)),
        links=FeedbackLinks(settings.link_ring, queue, secure=settings.reached_by_https),
        keys=KeysRoute(PostgresKeys(database)),
    )


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: about a third less CPU a request."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    sys.exit(main())
