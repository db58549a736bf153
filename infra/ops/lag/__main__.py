"""Runs the lag service: `python -m infra.ops.lag`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY

from infra.ops.lag.brokers import quiet
from infra.ops.lag.database import Database
from infra.ops.lag.metrics import LagCollector, Shown
from infra.ops.lag.reading import KafkaReader, Viewing
from infra.ops.lag.routes import LagServer
from infra.ops.lag.settings import LagSettings
from infra.ops.lag.watch import LagWatch
from infra.ops.until_told import until_told
from infra.runtime.garbage import collect_rarely
from infra.runtime.kafka.client_settings import KafkaClient, load_kafka
from infra.runtime.settings import load
from infra.runtime.telemetry import logs
from infra.runtime.telemetry.internal_server import CheckResult, InternalServer
from infra.runtime.telemetry.ports_file import write_ports

SERVICE = "lag"
STUCK_SECONDS = 60.0

log = logs.get_logger(__name__)


def main() -> int:
    """0 after SIGTERM or SIGINT, 1 when it can't go on, 2 when a setting is wrong."""
    settings, kafka = load(LagSettings), KafkaClient(load_kafka())
    logs.configure(SERVICE, settings.log_level)
    quiet()
    try:
        asyncio.run(until_told(_serve(settings, kafka)))
    except OSError as error:
        log.error("Not started", error=str(error))
        return 1
    return 0


async def _serve(settings: LagSettings, kafka: KafkaClient) -> None:
    async with (
        Database(settings.database_url.get_secret_value()) as database,
        KafkaReader(kafka, settings.topic_prefix) as reader,
    ):
        watch = LagWatch(reader, database.read, Viewing(settings.scaling, settings.topic_prefix))
        collector = LagCollector(lambda: _shown(watch, database))
        REGISTRY.register(collector)
        try:
            async with _listening(settings, watch):
                await watch.run()
        finally:
            REGISTRY.unregister(collector)


@asynccontextmanager
async def _listening(settings: LagSettings, watch: LagWatch) -> AsyncIterator[None]:
    async def view() -> CheckResult:
        found, wrong = watch.lag()
        return CheckResult(found is not None and not wrong, wrong, required=not watch.known.view.stages)

    def alive() -> bool:
        return time.monotonic() - watch.looked_at < STUCK_SECONDS

    public, internal = LagServer(watch), InternalServer(checks={"view": view}, alive=alive)
    await internal.start(settings.internal_host, settings.internal_port)
    try:
        await public.start(settings.lag_host, settings.lag_port)
        write_ports(settings.ports_file, internal=internal.port, public=public.port)
        log.info("Listening", public=public.port, internal=internal.port)
        collect_rarely()
        yield
    finally:
        await public.stop()
        await internal.stop()


def _shown(watch: LagWatch, database: Database) -> Shown:
    view, wrong = watch.lag()
    return Shown(view, watch.known.seen_at, not wrong, database.connections)


if __name__ == "__main__":
    sys.exit(main())
