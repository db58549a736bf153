"""What the services stand on: Kafka and PostgreSQL, each a real one that a setting names, or an own one that is kept running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import KafkaException
from pydantic import ValidationError

from infra.ops.local.kafka import BrokerFailed, KafkaBroker
from infra.ops.local.postgres import EmbeddedPostgres, PostgresFailed
from infra.ops.local.stack.database import DATABASE
from infra.ops.local.stack.errors import WrongSetting
from infra.ops.local.stack.options import StackOptions
from infra.ops.local.stack.ports import StackPorts, Tell
from infra.ops.local.stack.service import Backoff
from infra.runtime.kafka.client_settings import KafkaClient, KafkaSettings
from infra.runtime.kafka.topics import EnsureReport, check_partition_counts, ensure_topics

WATCH_SECONDS = 0.5
KAFKA = "kafka"


class _Server(Protocol):
    @property
    def running(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Foundations:
    """`kafka` and `database` (the migrator's DSN) are known once started."""

    def __init__(self, options: StackOptions, ports: StackPorts, tell: Tell) -> None:
        self._options, self._ports, self._tell = options, ports, tell
        self._own: dict[str, _Server] = {}
        self._watches: list[asyncio.Task[None]] = []
        self.broker: KafkaBroker | None = None
        self.postgres: EmbeddedPostgres | None = None
        self.kafka = options.environment.get("KAFKA_BOOTSTRAP_SERVERS", "")
        self.database = options.environment.get("DATABASE_URL", "")

    async def start(self) -> None:
        """Raises WrongSetting, MissingTool, DownloadFailed, BrokerFailed or PostgresFailed; what was started is then still to be
        stopped."""
        state = self._options.state_dir
        if self.kafka:
            self.kafka_client()  # for what is wrong in its settings, before anything is started
        else:
            self.broker = KafkaBroker(state / KAFKA)
            await asyncio.to_thread(self.broker.stop_left_behind)  # one that was left behind has the port
            self.broker.port = self._ports.choose(KAFKA, self._options.ports.kafka, what="Kafka")
            self._own["Kafka"] = self.broker
        if not self.database:
            self.postgres = EmbeddedPostgres(state / "postgres")
            self._own["PostgreSQL"] = self.postgres
        async with asyncio.TaskGroup() as starting:
            for name, server in self._own.items():
                starting.create_task(self._start(name, server))
        if self.broker:
            self.kafka = self.broker.bootstrap_servers
        if self.postgres:
            await self.postgres.ensure_database(DATABASE)
            self.database = self.postgres.dsn(database=DATABASE)
        self._watches = [asyncio.create_task(self._keep_running(name, s)) for name, s in self._own.items()]

    async def ensure_topics(self) -> int:
        """Makes the topics on an own broker; on a named one only checks them. Returns the number of partitions. Raises TopicsError,
        and WrongSetting for settings that the client refuses."""
        prefix, client = self._options.topic_prefix, self.kafka_client()
        if self.broker is None:
            try:
                return await check_partition_counts(client, prefix)
            except KafkaException as error:
                raise WrongSetting(
                    f"Kafka's client refuses the KAFKA_ variables ({_words(error)}). Correct them; .env.example says what each "
                    "is for."
                ) from error
        asked = self._options.partitions
        report = await ensure_topics(client, prefix=prefix, partitions=asked, single_node=True)
        self._report(report)
        return report.partitions

    def kafka_client(self) -> dict[str, Any]:
        """librdkafka's settings for this Kafka. Raises WrongSetting."""
        if self.broker is not None:
            return {"bootstrap.servers": self.kafka}
        named = {
            name.removeprefix("KAFKA_").lower(): value
            for name, value in self._options.environment.items()
            if name.startswith("KAFKA_") and value
        }
        try:
            return KafkaClient(KafkaSettings(**_known(named))).librdkafka()
        except ValidationError as error:
            raise WrongSetting("\n".join(_wrong(item) for item in error.errors(include_input=False))) from None

    async def stop(self) -> None:
        """Stops what is its own. Safe to call twice."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._watches = []
        for name, server in self._own.items():
            if server.running:
                await server.stop()
                self._tell(f"{name} stopped")

    def kill(self) -> None:
        """SIGKILL to Kafka, an immediate end for PostgreSQL; both recover at the next start."""
        for server in (self.broker, self.postgres):
            if server is not None:
                server.kill()

    async def _start(self, name: str, server: _Server) -> None:
        started = time.monotonic()
        await server.start()
        self._tell(f"{name} runs ({time.monotonic() - started:.1f} s)")

    async def _keep_running(self, name: str, server: _Server) -> None:
        backoff, deaths, born = Backoff(), 0, time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if server.running:
                continue
            deaths = 1 if time.monotonic() - born > backoff.healthy_after else deaths + 1
            self._tell(f"{name} died, starting it again")
            await asyncio.sleep(backoff.delay(deaths))
            born = time.monotonic()
            try:
                await self._start(name, server)
            except (BrokerFailed, PostgresFailed) as error:
                self._tell(str(error))

    def _report(self, report: EnsureReport) -> None:
        if report.created:
            self._tell(f"{len(report.created)} topics created with {report.partitions} partitions")
        if report.grown:
            self._tell(f"{len(report.grown)} topics grown to {report.partitions} partitions")
        for problem in report.problems:
            self._tell(str(problem))


def _known(named: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if name in KafkaSettings.model_fields}


def _wrong(item: Mapping[str, Any]) -> str:
    """One of pydantic's findings, without the value, which may be secret."""
    variable = f"KAFKA_{str(item['loc'][0]).upper()}"
    return f"{variable}: {item['msg']}. Correct it; .env.example says what it is for."


def _words(error: KafkaException) -> str:
    return str(error.args[0].str())


def private_folder(path: Path) -> Path:
    """A folder that only its owner may list. PostgreSQL as root opens the state folder for all; what is in here stays closed."""
    path.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):
        path.chmod(0o700)
    return path
