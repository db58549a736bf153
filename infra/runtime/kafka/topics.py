"""Topics on the cluster: created, grown and checked by `topics ensure`; counted by every process before it starts.

A tenant keeps one partition number in every topic, so all topics have the same number of partitions, and it only ever grows:
taking partitions away isn't possible in Kafka, and would move tenants.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.runtime.kafka.topic_admin import ClusterShape, TopicAdmin, TopicPlan
from infra.runtime.kafka.topic_report import BrokersUnreachable, Correction, EnsureReport, Problem, TopicsError
from infra.runtime.telemetry.logs import get_logger
from schemas.topics import DEFAULT_PARTITIONS, TOPIC_CONFIGS, Topic, TopicConfig

__all__ = ["BrokersUnreachable", "Correction", "EnsureReport", "Problem", "TopicsError"]
__all__ += ["check_partition_counts", "check_partition_counts_when_ready", "ensure_topics"]

log = get_logger(__name__)

VISIBLE_SECONDS = 15.0
RETRY_SECONDS = 1.0
GROWTH_ORDER = (
    Topic.DEAD_LETTERS,
    Topic.FEEDBACK_AGGREGATED,
    Topic.ENHANCEMENTS_DELIVERED,
    Topic.ENHANCEMENTS_SYNTHESIZED,
    Topic.TICKETS_ENRICHED,
    Topic.FEEDBACK_SUBMITTED,
    Topic.TICKETS_RECEIVED,
)
"""Last stage first, so that no stage reads an event whose partition its own output topic doesn't have yet."""


async def ensure_topics(
    client_config: Mapping[str, Any], *, prefix: str, partitions: int | None, single_node: bool
) -> EnsureReport:
    """Creates what is missing, grows every topic to the same count, corrects settings, and names what it can't correct.

    `partitions` None keeps the largest count found (64 for a new cluster). Nothing shrinks: a smaller number is a problem in the
    report. Replication is 3 with 2 in sync, or 1 and 1 with `single_node`. Raises BrokersUnreachable or TopicsError.
    """
    replication = Replication(1, 1) if single_node else Replication(3, 2)
    return await asyncio.to_thread(_Ensuring(TopicAdmin(client_config), prefix, replication).run, partitions)


async def check_partition_counts(client_config: Mapping[str, Any], prefix: str) -> int:
    """The number of partitions that all topics have. Raises TopicsError, saying what to run, when topics are missing or counts
    differ, BrokersUnreachable when Kafka doesn't answer within 10 s."""
    shape = await asyncio.to_thread(lambda: TopicAdmin(client_config).shape())
    counts = {topic.named(prefix): _count(shape, topic.named(prefix)) for topic in Topic}
    missing = [name for name, count in counts.items() if not count]
    if missing:
        raise TopicsError(
            f"Topics missing: {', '.join(missing)}. Run: ticketstream topics ensure (with access control lists, this "
            "service's principal needs DESCRIBE on every topic; TICKETSTREAM_TOPIC_PREFIX is part of the names)"
        )
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise TopicsError(
            f"Topics differ in their number of partitions: {listed}. Run: ticketstream topics ensure "
            f"--partitions {max(counts.values())}"
        )
    return next(iter(counts.values()))


async def check_partition_counts_when_ready(
    client_config: Mapping[str, Any], prefix: str, *, pause: float = RETRY_SECONDS
) -> int:
    """Like `check_partition_counts`, but waits for as long as Kafka doesn't answer: a process that ended instead would have to sit
    out its supervisor's growing back-off when Kafka is there again."""
    while True:
        try:
            return await check_partition_counts(client_config, prefix)
        except BrokersUnreachable as error:
            log.warning("Waiting for Kafka", error=str(error))
        await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class Replication:
    factor: int
    min_insync: int


class _Ensuring:
    """One run of `ensure_topics`; blocking."""

    def __init__(self, admin: TopicAdmin, prefix: str, replication: Replication) -> None:
        self._admin, self._prefix, self._replication = admin, prefix, replication
        self._names = {topic: topic.named(prefix) for topic in GROWTH_ORDER}
        self._problems: list[Problem] = []

    def run(self, asked: int | None) -> EnsureReport:
        before = self._admin.shape()
        target = self._target(before, asked)
        missing = [name for name in self._names.values() if name not in before.topics]
        if missing:
            self._refuse_too_few_brokers(before.brokers)
        grown = self._grow(before, target)
        self._admin.create(self._plan(topic, target) for topic in GROWTH_ORDER if self._names[topic] in missing)
        after = self._await_count(target)
        self._check_replication(after)
        corrected = self._correct(after)
        return EnsureReport(target, tuple(missing), grown, corrected, tuple(self._problems))

    def _target(self, shape: ClusterShape, asked: int | None) -> int:
        found = max((_count(shape, name) for name in self._names.values()), default=0)
        if asked is not None and asked < 1:
            raise TopicsError(f"--partitions {asked}: at least 1 is needed")
        if asked is not None and asked < found:
            cure = f"Kafka can't take partitions away: use --partitions {found} or more"
            self._problems.append(Problem("every topic", f"{asked} partitions asked for, {found} exist", cure))
        return max(found, asked or (found or DEFAULT_PARTITIONS))

    def _refuse_too_few_brokers(self, brokers: int) -> None:
        if brokers < self._replication.factor:
            raise TopicsError(
                f"Topics need {self._replication.factor} replicas, and the cluster has {brokers} broker(s). Add brokers, or "
                "use --single-node, which keeps one copy and is for trials only."
            )

    def _plan(self, topic: Topic, partitions: int) -> TopicPlan:
        settings = _config(topic).settings(self._replication.min_insync)
        return TopicPlan(self._names[topic], partitions, self._replication.factor, settings)

    def _grow(self, shape: ClusterShape, target: int) -> tuple[str, ...]:
        small = [name for name in self._names.values() if 0 < _count(shape, name) < target]
        for name in small:
            self._admin.grow(name, target)
        return tuple(small)

    def _await_count(self, target: int) -> ClusterShape:
        """Brokers learn of new topics a moment after the controller said yes."""
        deadline = time.monotonic() + VISIBLE_SECONDS
        while True:
            shape = self._admin.shape()
            wrong = [name for name in self._names.values() if _count(shape, name) != target]
            if not wrong:
                return shape
            if time.monotonic() > deadline:
                raise TopicsError(f"Not all brokers show {target} partitions of {', '.join(wrong)} yet. Run it again.")
            time.sleep(0.1)

    def _check_replication(self, shape: ClusterShape) -> None:
        for name in self._names.values():
            replicas = shape.topics[name].replicas
            if replicas < self._replication.factor:
                cure = f"Reassign it with kafka-reassign-partitions.sh to {self._replication.factor} replicas"
                what = f"{replicas} replica(s), {self._replication.factor} are needed to lose a broker without loss"
                self._problems.append(Problem(name, what, cure))

    def _correct(self, shape: ClusterShape) -> tuple[Correction, ...]:
        found = self._admin.settings(self._names.values())
        corrections: list[Correction] = []
        for topic, name in self._names.items():
            # More copies than asked for (a trial's flag on a real cluster) must not weaken what is there.
            in_sync = min(shape.topics[name].replicas, self._replication.min_insync)
            if shape.topics[name].replicas > self._replication.factor:
                in_sync = max(in_sync, int(found[name].get("min.insync.replicas") or 1))
            wanted = _config(topic).settings(in_sync)
            wrong = {key: value for key, value in wanted.items() if found[name].get(key) != value}
            if wrong:
                corrections += self._change(name, wrong, found[name])
        return tuple(corrections)

    def _change(self, name: str, wrong: dict[str, str], found: dict[str, str | None]) -> list[Correction]:
        try:
            self._admin.change(name, wrong)
        except BrokersUnreachable:
            raise
        except TopicsError as error:
            added = ",".join(f"{key}={value}" for key, value in wrong.items())
            cure = f"Run: kafka-configs.sh --alter --entity-type topics --entity-name {name} --add-config {added}"
            self._problems.append(Problem(name, str(error), cure))
            return []
        return [Correction(name, key, found.get(key), value) for key, value in wrong.items()]


def _config(topic: Topic) -> TopicConfig:
    return next(config for config in TOPIC_CONFIGS if config.topic is topic)


def _count(shape: ClusterShape, name: str) -> int:
    return shape.topics[name].partitions if name in shape.topics else 0
