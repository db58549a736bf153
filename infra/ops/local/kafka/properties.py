"""The local broker's configuration files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

SASL = "SASL_PLAINTEXT"
MECHANISM = "SCRAM-SHA-512"
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


@dataclass(frozen=True, slots=True)
class SuperUser:
    """Who may do everything on a broker where others log in, too, and may do what its ACLs allow."""

    name: str
    password: str = field(repr=False)

    def client(self) -> dict[str, str]:
        """librdkafka's settings to log in with."""
        user = {"sasl.username": self.name, "sasl.password": self.password}
        return {"security.protocol": SASL, "sasl.mechanism": MECHANISM, **user}

    def format_options(self) -> list[str]:
        """For `StorageTool format`: the user must be there before anybody can log in."""
        return ["--add-scram", f"{MECHANISM}=[name={self.name},password={self.password}]"]

    def properties(self) -> dict[str, str]:
        """Logins by SCRAM, and an authorizer. ANONYMOUS is the broker itself on the controllers' port, which asks for no login."""
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        jaas = f'{module} username="{self.name}" password="{self.password}";'
        return {
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": jaas,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{self.name};User:ANONYMOUS",
        }


def server_properties(ports: BrokerPorts, data: Path, super_user: SuperUser | None = None) -> str:
    """One process that is broker and controller, every internal topic with one replica. With a super user others must log in, too.

    The short session lets a broker that was killed come back in 6 s instead of 12: it waits for its predecessor's session to end.
    Still shorter, and a machine that is busy for a moment makes the controller take it for dead.
    """
    listener = SASL if super_user else "PLAINTEXT"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "listeners": f"{listener}://127.0.0.1:{ports.client},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"{listener}://127.0.0.1:{ports.advertised}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": listener,
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{listener}:{listener}",
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
        "broker.session.timeout.ms": 4000,
        "broker.heartbeat.interval.ms": 500,
        "message.max.bytes": 2 * 1024 * 1024 + 64 * 1024,  # dead letters carry up to 2 MiB
        "replica.fetch.max.bytes": 4 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "offsets.retention.minutes": 30 * 24 * 60,  # a stack that was away for weeks finds its place again
        "controlled.shutdown.enable": "true",
        **(super_user.properties() if super_user else {}),
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())
