"""Runs reconcile on its timer: `python -m infra.ops.reconcile`."""

from __future__ import annotations

import asyncio
import sys
from random import Random

from infra.ops.reconcile.rounds import every
from infra.ops.reconcile.settings import ReconcileSettings
from infra.ops.reconcile.site import SERVICE, Site, open_site
from infra.ops.until_told import until_told
from infra.runtime.kafka.client_settings import KafkaClient, load_kafka
from infra.runtime.kafka.schema_registry import SchemaRegistryError
from infra.runtime.kafka.topics import TopicsError
from infra.runtime.keys.signing import SigningKeyError
from infra.runtime.postgres.pool import Pool, open_pool_when_ready
from infra.runtime.settings import MISCONFIGURED, load
from infra.runtime.telemetry import logs, tracing
from infra.runtime.telemetry.internal_server import CheckResult, InternalServer
from infra.runtime.telemetry.ports_file import write_ports
from sinks.postgres.isolation import isolation_watched

POOL_SIZE = 4
CLOSE_SECONDS = 2.0
OLDEST_VIEW_SECONDS = 30.0

log = logs.get_logger(__name__)


def main() -> int:
    """0 after SIGTERM or SIGINT, 1 when it can't go on, 2 when a setting is wrong."""
    settings, kafka = load(ReconcileSettings), KafkaClient(load_kafka())
    logs.configure(SERVICE, settings.log_level)
    tracing.configure(SERVICE, settings.otlp_endpoint)
    try:
        asyncio.run(until_told(_serve(settings, kafka)))
    except SigningKeyError as error:
        log.error("Not started", error=f"TICKETSTREAM_SIGNING_KEY_FILE: {error}")
        return MISCONFIGURED
    except (TopicsError, SchemaRegistryError, OSError) as error:
        log.error("Not started", error=str(error))
        return 1
    finally:
        tracing.close()
    return 0


async def _serve(settings: ReconcileSettings, kafka: KafkaClient) -> None:
    """Told to stop, a run gives up the call that is under way; what it did until then is kept."""
    pool = await open_pool_when_ready(settings.database_url.get_secret_value(), service=SERVICE, size=POOL_SIZE)
    try:
        async with open_site(settings, kafka.librdkafka(), pool) as site:

            def known() -> list[str]:
                return [tenant.tenant_id for tenant in site.all()]

            probe = settings.isolation_probe_seconds
            async with isolation_watched(lambda: pool, known, who=SERVICE, every_seconds=probe):
                await _on_a_timer(settings, site)
    finally:
        await _close(pool)


async def _on_a_timer(settings: ReconcileSettings, site: Site) -> None:
    async def database() -> CheckResult:
        fresh = site.tenants.loaded and site.tenants.age_seconds < OLDEST_VIEW_SECONDS
        detail = "" if fresh else f"PostgreSQL hasn't answered for {OLDEST_VIEW_SECONDS:.0f} s"
        return CheckResult(fresh, detail, required=not site.tenants.loaded)

    internal = InternalServer(checks={"database": database})
    await internal.start(settings.internal_host, settings.internal_port)
    write_ports(settings.ports_file, internal=internal.port)
    log.info("Listening", internal=internal.port, interval=settings.reconcile_interval_seconds)
    try:
        await every(settings.reconcile_interval_seconds, site.round, random=Random(), sleep=asyncio.sleep)
    finally:
        await internal.stop()


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        pool.terminate()


if __name__ == "__main__":
    sys.exit(main())
