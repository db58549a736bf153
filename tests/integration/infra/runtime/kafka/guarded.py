"""A broker where everybody logs in: as whom, what comes of trying, and the command that says who may what."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its documented names, not marked as exported
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from infra.runtime.kafka.asking import asked_until_answered

PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
NODE = 1
REFUSED = (29, 30)
"""TOPIC_AUTHORIZATION_FAILED, GROUP_AUTHORIZATION_FAILED."""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(frozen=True, slots=True)
class GuardedKafka:
    """`client` are librdkafka's settings of the super user. `passwords` are those of users that have one of their own choice."""

    client: Mapping[str, str]
    passwords: Mapping[str, str] = field(default_factory=dict)

    def password(self, user: str) -> str:
        if user == self.client["sasl.username"]:
            return self.client["sasl.password"]
        return self.passwords.get(user, f"password of {user}")

    def make_users(self, users: Iterable[str]) -> None:
        """Each with its password. Blocks."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        changes: list[Any] = [UserScramCredentialUpsertion(user, info, self.password(user).encode()) for user in users]
        admin = AdminClient(dict(self.client))  # kept until all have answered
        for answer in admin.alter_user_scram_credentials(changes).values():
            answer.result(20)

    def login(self, user: str) -> dict[str, Any]:
        """librdkafka's settings."""
        return {**self.client, "sasl.username": user, "sasl.password": self.password(user), "log_level": 0}

    def aiokafka(self, user: str) -> dict[str, Any]:
        """The settings of an aiokafka client."""
        named = {name: self.client[name.replace("_", ".")] for name in ("security_protocol", "sasl_mechanism")}
        user_and_password = {"sasl_plain_username": user, "sasl_plain_password": self.password(user)}
        return {**named, **user_and_password, "bootstrap_servers": self.client["bootstrap.servers"]}

    def variables(self, user: str = "") -> dict[str, str]:
        """The environment of a process that logs in so; the super user by default."""
        name = user or self.client["sasl.username"]
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.client["bootstrap.servers"],
            "KAFKA_SECURITY_PROTOCOL": self.client["security.protocol"],
            "KAFKA_SASL_MECHANISM": self.client["sasl.mechanism"],
            "KAFKA_SASL_USERNAME": name,
            "KAFKA_SASL_PASSWORD": self.password(name),
        }

    def coordinators_chosen(self, groups: Mapping[str, str]) -> None:
        """Kafka makes its topic of commits when somebody first asks who coordinates a group. Blocks."""
        for group, topic in groups.items():
            consumer = Consumer({**self.client, "group.id": group})
            try:
                asked_until_answered(partial(consumer.committed, [TopicPartition(topic, 0)], timeout=20))
            finally:
                consumer.close()

    async def ensure(self, prefix: str, *words: str, user: str = "", variables: Mapping[str, str] | None = None) -> Ran:
        """`ticketstream topics ensure WORDS`, as a process of its own."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
        named = {"TICKETSTREAM_TOPIC_PREFIX": prefix, "TICKETSTREAM_STATE_DIR": "/nonexistent"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, "topics", "ensure", "--single-node", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**kept, **named, **(variables or self.variables(user))},
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert b"Traceback" not in err, err.decode()
        return Ran(process.returncode or 0, out.decode(), err.decode())


class Attempts:
    """One user's connection to the only broker, past what a client library would leave untried."""

    def __init__(self, kafka: GuardedKafka, user: str) -> None:
        self._client = AIOKafkaClient(**kafka.aiokafka(user))

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def written(self, topics: Iterable[str]) -> set[str]:
        """Of these topics those that took a record into partition 0."""
        names = list(topics)
        records = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 16384)
        records.append(0, int(time.time() * 1000), None, b"x", [])
        batch = bytes(records.build())
        asked = ProduceRequest(None, 1, 10_000, [(name, [(0, batch)]) for name in names])
        return _allowed(await self._ask(asked))

    async def read(self, topics: Iterable[str]) -> set[str]:
        """Of these topics those that gave what is in partition 0."""
        asked = FetchRequest(0, 0, 1 << 20, 0, [(name, [(0, 0, 1 << 16)]) for name in topics])
        return _allowed(await self._ask(asked))

    async def shown(self) -> set[str]:
        """Every topic that it is told of."""
        return {topic for _, topic, *_ in (await self._ask(MetadataRequest(None, False))).topics}

    async def committed(self, groups: Mapping[str, str]) -> set[str]:
        """Of these groups, each with the topic that it consumes, those for which it may commit, and so read as them."""
        return {group for group, topic in groups.items() if _allowed(await self._ask(_commit(group, topic)))}

    async def told(self, groups: Mapping[str, str]) -> set[str]:
        """Of these groups those whose commits it is told."""
        found = set()
        for group, topic in groups.items():
            answer = await self._ask(OffsetFetchRequest(group, [(topic, [0])]))
            assert answer.error_code in {0, *REFUSED}, answer
            if not answer.error_code and _allowed(answer):
                found.add(group)
        return found

    async def _ask(self, request: Any) -> Any:
        return await self._client.send(NODE, request)


def _commit(group: str, topic: str) -> OffsetCommitRequest:
    return OffsetCommitRequest(group, -1, "", -1, [(topic, [(0, 0, "")])])


def _allowed(answer: Any) -> set[str]:
    """The topics whose one partition has no error in an answer. Any error but a refusal fails the test."""
    (fields,) = [
        field for name, field in zip(answer.SCHEMA.names, answer.SCHEMA.fields, strict=True) if name == "topics"
    ]
    place = fields.array_of.fields[1].array_of.names.index("error_code")
    errors = {topic: partition[place] for topic, (partition,) in answer.topics}
    assert set(errors.values()) <= {0, *REFUSED}, errors
    return {topic for topic, error in errors.items() if not error}
