"""The topics of the platform and how each must be configured.

Every topic has the same number of partitions, since a tenant keeps one partition number throughout. Names may carry a prefix
(`TICKETSTREAM_TOPIC_PREFIX`), which is part of the name wherever the name matters: on the broker, in subjects, under signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_PARTITIONS = 64
DAY_MS = 24 * 60 * 60 * 1000
MAX_EVENT_BYTES = 256 * 1024
"""Upper bound of an event's Avro value; only dead letters, which carry another record whole, may be larger."""


class Topic(StrEnum):
    TICKETS_RECEIVED = "tickets.received"
    TICKETS_ENRICHED = "tickets.enriched"
    ENHANCEMENTS_SYNTHESIZED = "enhancements.synthesized"
    ENHANCEMENTS_DELIVERED = "enhancements.delivered"
    FEEDBACK_SUBMITTED = "feedback.submitted"
    FEEDBACK_AGGREGATED = "feedback.aggregated"
    DEAD_LETTERS = "dead-letters"

    def named(self, prefix: str = "") -> str:
        """The topic's name on the broker."""
        return f"{prefix}{self.value}"


class Stage(StrEnum):
    ENRICH = "enrich"
    SYNTHESIZE = "synthesize"
    DELIVER = "deliver"
    FEEDBACK_AGGREGATE = "feedback_aggregate"

    @property
    def consumes(self) -> Topic:
        return _CONSUMES[self]

    @property
    def produces(self) -> Topic:
        return _PRODUCES[self]

    def group(self, prefix: str = "") -> str:
        """The stage's consumer group."""
        return f"{prefix}ticketstream.{self.value}"


_CONSUMES = {
    Stage.ENRICH: Topic.TICKETS_RECEIVED,
    Stage.SYNTHESIZE: Topic.TICKETS_ENRICHED,
    Stage.DELIVER: Topic.ENHANCEMENTS_SYNTHESIZED,
    Stage.FEEDBACK_AGGREGATE: Topic.FEEDBACK_SUBMITTED,
}
_PRODUCES = {
    Stage.ENRICH: Topic.TICKETS_ENRICHED,
    Stage.SYNTHESIZE: Topic.ENHANCEMENTS_SYNTHESIZED,
    Stage.DELIVER: Topic.ENHANCEMENTS_DELIVERED,
    Stage.FEEDBACK_AGGREGATE: Topic.FEEDBACK_AGGREGATED,
}


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic as `topics ensure` creates it and checks it."""

    topic: Topic
    retention_days: int
    max_message_bytes: int = 1024 * 1024

    def settings(self, min_insync_replicas: int) -> dict[str, str]:
        """Topic-level configuration by Kafka's own names."""
        return {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(self.retention_days * DAY_MS),
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(min_insync_replicas),
        }


TOPIC_CONFIGS: tuple[TopicConfig, ...] = (
    TopicConfig(Topic.TICKETS_RECEIVED, 14),
    TopicConfig(Topic.TICKETS_ENRICHED, 14),
    TopicConfig(Topic.ENHANCEMENTS_SYNTHESIZED, 14),
    TopicConfig(Topic.ENHANCEMENTS_DELIVERED, 90),
    TopicConfig(Topic.FEEDBACK_SUBMITTED, 90),
    TopicConfig(Topic.FEEDBACK_AGGREGATED, 90),
    TopicConfig(Topic.DEAD_LETTERS, 30, max_message_bytes=2 * 1024 * 1024),
)

SIGNED_BY: dict[str, tuple[Topic, ...]] = {
    "ingest": (Topic.TICKETS_RECEIVED, Topic.FEEDBACK_SUBMITTED),
    "enrich": (Topic.TICKETS_ENRICHED, Topic.DEAD_LETTERS),
    "synthesize": (Topic.ENHANCEMENTS_SYNTHESIZED, Topic.DEAD_LETTERS),
    "deliver": (Topic.ENHANCEMENTS_DELIVERED, Topic.DEAD_LETTERS),
    "feedback_aggregate": (Topic.FEEDBACK_AGGREGATED, Topic.DEAD_LETTERS),
    "reconcile": (Topic.TICKETS_RECEIVED,),
    "sealer": (),
    "replay": (
        Topic.TICKETS_RECEIVED,
        Topic.TICKETS_ENRICHED,
        Topic.ENHANCEMENTS_SYNTHESIZED,
        Topic.FEEDBACK_SUBMITTED,
    ),
}
"""The topics for which a service's signing key is valid; a signature by any other service's key is refused. The sealer's key signs
the audit log's hours, and no topic."""
