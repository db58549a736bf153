"""The local broker's configuration files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOG4J2 = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


@dataclass(frozen=True, slots=True)
class BrokerPorts:
    """`advertised` is where clients are sent to: the client port, or that of a proxy before it."""

    client: int
    controller: int
    advertised: int


def server_properties(ports: BrokerPorts, data: Path) -> str:
    """One process that is broker and controller, every internal topic with one replica.

    The short session lets a broker that was killed come back in 4 s instead of 12: it waits for its predecessor's session to end.
    """
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{ports.client},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports.advertised}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 2,
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
        "message.max.bytes": 2 * 1024 * 1024 + 64 * 1024,  # dead letters carry up to 2 MiB
        "replica.fetch.max.bytes": 4 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "offsets.retention.minutes": 30 * 24 * 60,  # a stack that was away for weeks finds its place again
        "controlled.shutdown.enable": "true",
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())
