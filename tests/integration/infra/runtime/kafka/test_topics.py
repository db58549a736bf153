"""Topics on a real broker: created, grown, corrected, never shrunk, and counted by every process before it starts."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from infra.runtime.kafka.topic_admin import TopicAdmin
from infra.runtime.kafka.topics import (
    GROWTH_ORDER,
    BrokersUnreachable,
    TopicsError,
    check_partition_counts,
    ensure_topics,
)
from schemas.topics import DAY_MS, Topic

_numbers = itertools.count()


@pytest.fixture
def client(kafka: str) -> dict[str, Any]:
    return {"bootstrap.servers": kafka}


@pytest.fixture
def prefix() -> str:
    return f"topics-test-{next(_numbers)}."


async def until_set(client: dict[str, Any], name: str, wanted: dict[str, str]) -> None:
    """A broker shows a changed setting a moment after the controller took it."""
    deadline = time.monotonic() + 10
    while not wanted.items() <= (found := TopicAdmin(client).settings([name])[name]).items():
        assert time.monotonic() < deadline, {key: found[key] for key in wanted}
        await asyncio.sleep(0.02)


async def test_missing_topics_are_created_as_the_contract_says(client: dict[str, Any], prefix: str) -> None:
    report = await ensure_topics(client, prefix=prefix, partitions=3, single_node=True)

    assert report.ok
    assert report.partitions == 3
    assert set(report.created) == {topic.named(prefix) for topic in Topic}
    settings = TopicAdmin(client).settings([topic.named(prefix) for topic in Topic])
    for topic in Topic:
        assert settings[topic.named(prefix)]["message.timestamp.type"] == "LogAppendTime"
        assert settings[topic.named(prefix)]["min.insync.replicas"] == "1"
        assert settings[topic.named(prefix)]["cleanup.policy"] == "delete"
    assert settings[f"{prefix}tickets.received"]["retention.ms"] == str(14 * DAY_MS)
    assert settings[f"{prefix}enhancements.delivered"]["retention.ms"] == str(90 * DAY_MS)
    assert settings[f"{prefix}tickets.received"]["max.message.bytes"] == "1048576"
    assert settings[f"{prefix}dead-letters"]["max.message.bytes"] == "2097152"
    assert await check_partition_counts(client, prefix) == 3


async def test_a_second_run_changes_nothing(client: dict[str, Any], prefix: str) -> None:
    await ensure_topics(client, prefix=prefix, partitions=2, single_node=True)

    report = await ensure_topics(client, prefix=prefix, partitions=None, single_node=True)

    assert (report.partitions, report.created, report.grown, report.corrected, report.problems) == (2, (), (), (), ())


async def test_all_topics_grow_with_the_last_stage_first(client: dict[str, Any], prefix: str) -> None:
    await ensure_topics(client, prefix=prefix, partitions=2, single_node=True)

    report = await ensure_topics(client, prefix=prefix, partitions=5, single_node=True)

    assert report.grown == tuple(topic.named(prefix) for topic in GROWTH_ORDER)
    assert report.grown[-1] == f"{prefix}tickets.received"
    assert await check_partition_counts(client, prefix) == 5


async def test_partitions_are_never_taken_away(client: dict[str, Any], prefix: str) -> None:
    await ensure_topics(client, prefix=prefix, partitions=4, single_node=True)

    report = await ensure_topics(client, prefix=prefix, partitions=2, single_node=True)

    assert report.partitions == 4
    assert [problem.cure for problem in report.problems] == [
        "Kafka can't take partitions away: use --partitions 4 or more"
    ]


async def test_a_wrong_setting_is_put_right_and_others_are_left_alone(client: dict[str, Any], prefix: str) -> None:
    await ensure_topics(client, prefix=prefix, partitions=1, single_node=True)
    name = f"{prefix}tickets.enriched"
    TopicAdmin(client).change(name, {"message.timestamp.type": "CreateTime", "segment.ms": "3600000"})
    await until_set(client, name, {"message.timestamp.type": "CreateTime", "segment.ms": "3600000"})

    report = await ensure_topics(client, prefix=prefix, partitions=None, single_node=True)

    assert [(c.topic, c.setting, c.was, c.now) for c in report.corrected] == [
        (name, "message.timestamp.type", "CreateTime", "LogAppendTime")
    ]
    await until_set(client, name, {"message.timestamp.type": "LogAppendTime", "segment.ms": "3600000"})


async def test_too_few_brokers_for_three_replicas_are_refused(client: dict[str, Any], prefix: str) -> None:
    with pytest.raises(TopicsError, match=r"need 3 replicas, and the cluster has 1 broker.*--single-node"):
        await ensure_topics(client, prefix=prefix, partitions=1, single_node=False)


async def test_one_replica_is_named_a_problem_on_a_cluster_that_must_have_three(
    client: dict[str, Any], prefix: str
) -> None:
    await ensure_topics(client, prefix=prefix, partitions=1, single_node=True)

    report = await ensure_topics(client, prefix=prefix, partitions=None, single_node=False)

    assert not report.ok
    assert {problem.topic for problem in report.problems} == {topic.named(prefix) for topic in Topic}
    assert not report.corrected  # two in sync of one replica would make the topic read-only


async def test_missing_topics_stop_a_process_with_what_to_run(client: dict[str, Any], prefix: str) -> None:
    with pytest.raises(TopicsError, match=r"Topics missing: .*tickets\.received.*ticketstream topics ensure"):
        await check_partition_counts(client, prefix)


async def test_different_counts_stop_a_process_and_the_cure_works(client: dict[str, Any], prefix: str) -> None:
    await ensure_topics(client, prefix=prefix, partitions=2, single_node=True)
    admin, name = TopicAdmin(client), f"{prefix}tickets.received"
    admin.grow(name, 3)
    deadline = time.monotonic() + 10
    while admin.shape().topics[name].partitions != 3 and time.monotonic() < deadline:
        await asyncio.sleep(0.02)

    with pytest.raises(TopicsError, match="ticketstream topics ensure --partitions 3"):
        await check_partition_counts(client, prefix)
    await ensure_topics(client, prefix=prefix, partitions=3, single_node=True)

    assert await check_partition_counts(client, prefix) == 3


async def test_an_unreachable_kafka_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.runtime.kafka.topic_admin.ANSWER_SECONDS", 1.0)

    with pytest.raises(BrokersUnreachable, match=r"127\.0\.0\.1:1 did not answer.*KAFKA_BOOTSTRAP_SERVERS"):
        await check_partition_counts({"bootstrap.servers": "127.0.0.1:1"}, "")
