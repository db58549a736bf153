"""One real Kafka broker as a child of this process, whose data outlives it."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.ops.local.free_ports import LOOPBACK, free_ports
from infra.ops.local.kafka.jars import find_jars, find_java
from infra.ops.local.kafka.properties import LOG4J2, BrokerPorts, SuperUser, server_properties
from infra.ops.local.leashed_process import STOP_SECONDS, LeashedProcess, end_left_behind
from infra.ops.local.log_file import LogFile

START_SECONDS = 120.0
FORMAT_SECONDS = 60
JAVA_OPTIONS = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")


class BrokerFailed(Exception):
    """The broker ended while starting, or never answered; the message has the end of its log."""


@dataclass
class KafkaBroker:
    """A broker on the loopback address, with everything it keeps in `state_dir`.

    `port` 0 takes a free one; `bootstrap_servers` is known once it is started, and stays the same when it is started again.
    Only one at a time on a state folder: a broker that was left behind there is stopped first. It ends with this process (see
    `leash`), so start it on the main thread. `jars` is where they are, or go; by default the cache that all state folders share.
    `advertised_port` is that of a proxy through which clients shall come, 0 for none. With a `super_user` clients log in, and may
    do what ACLs allow; it is set when the folder is new.
    """

    state_dir: Path
    port: int = 0
    jars: Path | None = None
    advertised_port: int = 0
    java_options: tuple[str, ...] = JAVA_OPTIONS
    super_user: SuperUser | None = None
    _process: LeashedProcess = field(default_factory=lambda: LeashedProcess(signal.SIGTERM), init=False, repr=False)

    def __post_init__(self) -> None:
        self.state_dir = self.state_dir.absolute()

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def client(self) -> dict[str, str]:
        """librdkafka's settings; those of the super user, if there is one."""
        return {"bootstrap.servers": self.bootstrap_servers, **(self.super_user.client() if self.super_user else {})}

    @property
    def running(self) -> bool:
        return self._process.running

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def log(self) -> LogFile:
        return LogFile(self.state_dir / "broker.log")

    async def start(self) -> None:
        """Returns when the broker answers and every partition has a leader. Raises MissingTool, DownloadFailed or BrokerFailed."""
        if self.running:
            return
        java = await asyncio.to_thread(find_java)
        jars = await asyncio.to_thread(find_jars, self.jars)
        await asyncio.to_thread(self.stop_left_behind)
        ports = self._choose_ports()
        java_command = [java, *self.java_options, f"-Dlog4j2.configurationFile={self.state_dir / 'log4j2.properties'}"]
        java_command += ["-cp", f"{jars}/*"]
        await asyncio.to_thread(self._prepare, java_command, ports)
        self._spawn([*java_command, "kafka.Kafka", str(self.state_dir / "server.properties")])
        try:
            await self._await_answer()
        except BaseException:
            self.kill()
            raise

    async def stop(self, patience: float = STOP_SECONDS) -> None:
        """SIGTERM, and SIGKILL after `patience` seconds. Safe to call twice."""
        await self._process.stop(patience)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as an accident would."""
        self._process.kill()
        if self._process.started:
            (self.state_dir / "broker.pid").unlink(missing_ok=True)

    def stop_left_behind(self) -> None:
        """A broker of a stack that was killed may still be flushing; two on the same data would refuse to start.
        Blocking; `start` does it, too."""
        file = self.state_dir / "broker.pid"
        with suppress(OSError, ValueError, psutil.Error, psutil.TimeoutExpired):
            left = psutil.Process(int(file.read_text()))
            if any(str(self.state_dir / "server.properties") == part for part in left.cmdline()):
                end_left_behind(left, signal.SIGTERM)
        file.unlink(missing_ok=True)

    def _choose_ports(self) -> BrokerPorts:
        client, controller = free_ports(2)
        self.port = self.port or client
        return BrokerPorts(self.port, controller, self.advertised_port or self.port)

    def _prepare(self, java_command: list[str], ports: BrokerPorts) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        data = self.state_dir / "data"
        properties = self.state_dir / "server.properties"
        (self.state_dir / "log4j2.properties").write_text(LOG4J2)
        properties.write_text(server_properties(ports, data, self.super_user))
        if (data / "meta.properties").exists():
            return
        format_data = ["kafka.tools.StorageTool", "format", "-t", self._cluster_id(), "-c", str(properties)]
        format_data += self.super_user.format_options() if self.super_user else []
        told = subprocess.run(
            [*java_command, *format_data, "--ignore-formatted"],
            capture_output=True,
            text=True,
            timeout=FORMAT_SECONDS,
            check=False,
        )
        if told.returncode != 0:
            raise BrokerFailed(f"Kafka could not format {data}:\n{(told.stdout + told.stderr)[-2000:]}")

    def _cluster_id(self) -> str:
        file = self.state_dir / "cluster.id"
        if not file.exists():
            part = file.with_suffix(".part")
            part.write_text(new_cluster_id())
            part.replace(file)
        return file.read_text().strip()

    def _spawn(self, command: list[str]) -> None:
        pid = self._process.spawn(command, self.log, env={**os.environ, "LOG_DIR": str(self.state_dir)})
        (self.state_dir / "broker.pid").write_text(str(pid))

    async def _await_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await asyncio.to_thread(self._answers):
            if not self.running:
                raise BrokerFailed(f"Kafka ended while starting. The end of {self.log.path}:\n{self.log.tail()}")
            if time.monotonic() > deadline:
                raise BrokerFailed(
                    f"Kafka did not answer in {START_SECONDS:.0f} s. The end of its log:\n{self.log.tail()}"
                )
            await asyncio.sleep(0.1)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), timeout=1.0):
            try:
                client = AdminClient({**self.client, "log_level": 0})
                metadata = client.list_topics(timeout=2.0)
            except KafkaException:
                return False
            leaders = [p.leader for topic in metadata.topics.values() for p in topic.partitions.values()]
            return bool(metadata.brokers) and -1 not in leaders
        return False


def new_cluster_id(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """22 characters of base64url, as Kafka makes them: none begins with a dash, which its command line would take for an option."""
    while (text := base64.urlsafe_b64encode(random_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return text
