"""kafka: one real broker for one machine, from the jars of its own release, no container and no installation."""

from infra.ops.local.kafka.broker import BrokerFailed, KafkaBroker
from infra.ops.local.kafka.jars import DownloadFailed, MissingTool
from infra.ops.local.kafka.properties import SuperUser

__all__ = ["BrokerFailed", "DownloadFailed", "KafkaBroker", "MissingTool", "SuperUser"]
