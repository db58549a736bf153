"""Who may do what, tried by every principal on a real broker with logins and ACLs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.ops.cli.failure import Failure
from infra.ops.cli.kafka_reader import TopicReader, kafka_client
from infra.ops.lag.brokers import Brokers, LagUnknown
from infra.runtime.kafka.acl_admin import AclAdmin
from infra.runtime.kafka.acls import ONLOOKERS, SERVICES, Acl, Analyst, Operation, Pattern, Plan, Resource, plan
from infra.runtime.kafka.login import LoginRefused
from infra.runtime.kafka.topic_admin import TopicAdmin
from infra.runtime.kafka.topics import check_partition_counts
from infra.runtime.keys.signing import SigningKey
from infra.runtime.stream.lifecycle import CRASHED
from schemas.topics import Stage, Topic
from tests.integration.infra.runtime.kafka.conftest import STRANGER
from tests.integration.infra.runtime.kafka.guarded import Attempts, GuardedKafka
from tests.integration.infra.runtime.stream.stage_world import ROOT, Worker

PREFIX = "acl."
TOPICS = [topic.named(PREFIX) for topic in Topic]
GROUPS = {stage.group(PREFIX): stage.consumes.named(PREFIX) for stage in Stage}
ANALYSTS = (Analyst("anna"), Analyst("bo", (Topic.DEAD_LETTERS,)))
GIVEN = ("--acls", "--analyst", "anna", "--analyst", "bo:dead-letters")
PLAN = plan(PREFIX, analysts=ANALYSTS)
USERS = [*(f"ticketstream-{service}" for service in SERVICES), "anna", "bo", STRANGER]


@pytest.fixture(scope="module")
async def applied(guarded: GuardedKafka) -> GuardedKafka:
    """Topics with a record each, and the plan."""
    ran = await guarded.ensure(PREFIX, "--partitions", "2", *GIVEN)
    assert ran.code == 0, ran.err
    await asyncio.to_thread(guarded.coordinators_chosen, GROUPS)
    async with Attempts(guarded, "super") as tries:
        assert await tries.written(TOPICS) == await tries.read(TOPICS) == set(TOPICS)
        assert await tries.told(GROUPS) == await tries.committed(GROUPS) == set(GROUPS)
    return guarded


def planned(wanted: Plan, user: str, operation: Operation, resource: Resource = Resource.TOPIC) -> set[str]:
    return {
        acl.name
        for acl in wanted.acls
        if acl.principal == f"User:{user}" and acl.resource is resource and acl.operation is operation
    }


@pytest.mark.parametrize("user", USERS)
async def test_a_principal_does_its_work_and_nothing_else(applied: GuardedKafka, user: str) -> None:
    """Every topic is tried for reading, writing and describing, every stage's group for asking and committing."""
    async with Attempts(applied, user) as tries:
        wrote, got, shown = await tries.written(TOPICS), await tries.read(TOPICS), await tries.shown()
        told, commits = await tries.told(GROUPS), await tries.committed(GROUPS)

    reads, group_reads = planned(PLAN, user, Operation.READ), planned(PLAN, user, Operation.READ, Resource.GROUP)
    assert wrote == planned(PLAN, user, Operation.WRITE)
    assert got == reads
    assert shown & set(TOPICS) == {acl.name for acl in PLAN.acls if acl.principal == f"User:{user}"} & set(TOPICS)
    assert told == (group_reads | planned(PLAN, user, Operation.DESCRIBE, Resource.GROUP)) & set(GROUPS)
    assert commits == group_reads & set(GROUPS)


async def test_an_administrator_may_ensure_topics_but_not_say_who_may_what(applied: GuardedKafka) -> None:
    alone = await applied.ensure(PREFIX, "--partitions", "3", "--json", user="ticketstream-admin")
    assert alone.code == 0 and len(alone.value["grown"]) == len(Topic)

    ran = await applied.ensure(PREFIX, *GIVEN, user="ticketstream-admin")
    assert ran.code == 1 and len(ran.err.splitlines()) == 1
    assert "Kafka refused to read ACLs" in ran.err and "Log in (KAFKA_SASL_USERNAME) as a super user" in ran.err


async def test_a_second_run_adds_nothing_and_prints_the_same_plan(applied: GuardedKafka) -> None:
    ran = await applied.ensure(PREFIX, *GIVEN, "--json")

    assert ran.code == 0
    assert (ran.value["added"], ran.value["missing"], ran.value["beyond"], ran.value["ok"]) == ([], [], [], True)
    fields = ("principal", "resource", "name", "pattern", "operation")
    assert [tuple(one[name] for name in fields) for one in ran.value["acls"]] == [
        (acl.principal, acl.resource.value, acl.name, acl.pattern.value, acl.operation.value) for acl in PLAN.acls
    ]


async def test_a_dry_run_changes_nothing(applied: GuardedKafka) -> None:
    before = await asyncio.to_thread(AclAdmin(applied.client).read)

    ran = await applied.ensure("dry.", "--acls", "--dry-run", "--json")

    assert ran.code == 0 and ran.value["added"] == []
    missing = {one["name"] for one in ran.value["missing"]}
    assert missing == {acl.name for acl in plan("dry.").acls} - {ONLOOKERS}  # whose groups have no prefix
    assert await asyncio.to_thread(AclAdmin(applied.client).read) == before
    shape = await asyncio.to_thread(TopicAdmin(applied.client).shape)
    assert not [name for name in shape.topics if name.startswith("dry.")]


async def test_what_goes_beyond_is_named_and_taken_away_only_when_told(applied: GuardedKafka) -> None:
    everybody = Acl("User:*", Resource.TOPIC, PREFIX, Pattern.PREFIXED, Operation.READ)
    elsewhere = Acl("User:*", Resource.TOPIC, "elsewhere.", Pattern.PREFIXED, Operation.READ)
    admin = AclAdmin(applied.client)
    await asyncio.to_thread(admin.add, [everybody, elsewhere])
    try:
        named = await until_named(applied, "User:* may READ topic prefixed 'acl.'")
        assert "--prune" in named

        unasked = await applied.ensure(PREFIX, *GIVEN, "--prune")
        assert unasked.code == 2 and "--yes" in unasked.err
        assert everybody in await asyncio.to_thread(admin.read)

        pruned = await applied.ensure(PREFIX, *GIVEN, "--prune", "--yes", "--json")
        assert pruned.code == 0 and [one["principal"] for one in pruned.value["removed"]] == ["User:*"]
        left = await asyncio.to_thread(admin.read)
        assert everybody not in left and elsewhere in left and left >= set(PLAN.acls)
    finally:
        await asyncio.to_thread(admin.remove, [everybody, elsewhere])


async def until_named(kafka: GuardedKafka, what: str) -> str:
    """What a run says on stderr, once it exits with 1 and says this: a broker shows an ACL a moment after it is added."""
    async with asyncio.timeout(30):
        while (ran := await kafka.ensure(PREFIX, *GIVEN)).code != 1 or what not in ran.err:
            pass
    return ran.err


async def test_a_deny_against_a_service_is_named(applied: GuardedKafka) -> None:
    deny = Acl("User:ticketstream-enrich", Resource.TOPIC, TOPICS[0], Pattern.LITERAL, Operation.READ, allow=False)
    admin = AclAdmin(applied.client)
    await asyncio.to_thread(admin.add, [deny])
    try:
        assert "kafka-acls.sh --remove" in await until_named(applied, "may not READ topic 'acl.tickets.received'")
    finally:
        await asyncio.to_thread(admin.remove, [deny])


async def test_a_broker_without_an_authorizer_is_named(guarded: GuardedKafka, kafka: str) -> None:
    ran = await guarded.ensure("x.", "--acls", "--dry-run", variables={"KAFKA_BOOTSTRAP_SERVERS": kafka})

    assert ran.code == 1 and len(ran.err.splitlines()) == 1
    assert "SECURITY_DISABLED" in ran.err and "authorizer.class.name=" in ran.err


async def test_a_wrong_password_is_named_and_not_shown(applied: GuardedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.runtime.kafka.topic_admin.ANSWER_SECONDS", 2.0)
    monkeypatch.setattr("infra.runtime.kafka.acl_admin.ANSWER_SECONDS", 2.0)
    wrong: dict[str, Any] = {**applied.login("ticketstream-enrich"), "sasl.password": "guessed-wrongly"}

    with pytest.raises(LoginRefused, match=r"'ticketstream-enrich' .*\. Check KAFKA_SASL_USERNAME") as refused:
        await check_partition_counts(wrong, PREFIX)
    assert "guessed-wrongly" not in str(refused.value)
    with pytest.raises(LoginRefused, match="KAFKA_SASL_PASSWORD"):
        await asyncio.to_thread(AclAdmin(wrong).read)


async def test_a_wrong_password_is_named_by_what_reads_lag_and_topics(
    applied: GuardedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.ops.cli.kafka_reader.ANSWER_SECONDS", 2.0)
    monkeypatch.setattr("infra.runtime.kafka.login.ANSWER_SECONDS", 2.0)
    wrong = {**applied.variables("ticketstream-enrich"), "KAFKA_SASL_PASSWORD": "guessed-wrongly"}
    client, refuses = kafka_client(wrong), "refuses the login of 'ticketstream-enrich'"

    async with Brokers(client, [Topic.TICKETS_RECEIVED.named(PREFIX)]) as brokers:
        with pytest.raises(LagUnknown, match=refuses) as unknown:
            await brokers.layout()
    letters = TopicReader(client.librdkafka(), Topic.DEAD_LETTERS, prefix=PREFIX)
    with letters as reader, pytest.raises(Failure, match=refuses) as failed:
        await asyncio.to_thread(reader.partitions)
    assert unknown.value.reason == "refused" and "KAFKA_SASL_PASSWORD" in unknown.value.cure
    assert "KAFKA_SASL_PASSWORD" in failed.value.cure and "guessed-wrongly" not in f"{unknown.value} {failed.value}"


async def test_a_stage_that_may_not_read_never_says_that_it_is_ready(applied: GuardedKafka, tmp_path: Path) -> None:
    """Two that may do all but one thing each, beside one that may do all: by the time that this one is ready they had theirs."""
    rights = [acl for acl in PLAN.acls if acl.principal == "User:ticketstream-enrich"]
    source = Acl("", Resource.TOPIC, TOPICS[0], Pattern.LITERAL, Operation.READ)
    no_group = [replace(acl, principal="User:no-group") for acl in rights if acl.resource is not Resource.GROUP]
    no_topic = [replace(acl, principal="User:no-topic") for acl in rights if acl.name != source.name]
    no_topic.append(replace(source, principal="User:no-topic", operation=Operation.DESCRIBE))
    await asyncio.to_thread(AclAdmin(applied.client).add, [*no_group, *no_topic])
    for service in ("ingest", "enrich"):
        SigningKey.create(service).save(tmp_path / f"{service}.pem")
    workers = [echo_stage(applied, user, tmp_path) for user in ("no-group", "no-topic", "ticketstream-enrich")]
    group, topic, whole = workers
    try:
        async with asyncio.timeout(120):
            while not (await asyncio.to_thread(whole._answers) and topic.process.poll() is not None):
                for worker in (group, topic):
                    assert not await asyncio.to_thread(worker._answers), worker.log.read_text()
        assert group.process.poll() is None and topic.process.returncode == CRASHED
        assert "TopicAuthorizationFailedError" in topic.log.read_text()
    finally:
        for worker in workers:
            worker.process.kill()
            await worker.ended(10)


def echo_stage(kafka: GuardedKafka, user: str, folder: Path) -> Worker:
    ports, log = folder / f"{user}.ports", folder / f"{user}.log"
    own = {"TICKETSTREAM_TOPIC_PREFIX": PREFIX, "TICKETSTREAM_PORTS_FILE": str(ports), "ECHO_FOLDER": str(folder)}
    command = [sys.executable, "-m", "tests.integration.infra.runtime.stream.echo_stage"]
    with log.open("wb") as out:
        environment = {**os.environ, **kafka.variables(user), **own}
        return Worker(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out), ports, log)
