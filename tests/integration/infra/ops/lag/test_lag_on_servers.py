"""`lag show` and what is held, on a real Kafka and PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as AIOKafkaTopicPartition
from confluent_kafka import Producer

from infra.runtime.kafka.topics import ensure_topics
from infra.runtime.keys.rings import KeyRing, new_ring_key
from infra.runtime.postgres.pool import open_pool
from infra.runtime.stream.breaker import BreakerState, LaneBreaker
from infra.runtime.stream.outcomes import Scope
from infra.runtime.stream.ports import HeldEvent
from schemas.topics import Stage
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.lane_holds import LaneHolds
from sinks.postgres.tenants import Change, NewTenant, TenantStore
from sinks.postgres.webhook_secrets import WebhookSecrets

if TYPE_CHECKING:
    from tests.conftest import MigratedDatabase

PREFIX, TENANT, PARTITIONS = "lag-", "lag-show-tenant", 16
PROGRAM = "import sys; from infra.ops.cli.main import run; sys.exit(run(sys.argv[1:]))"
UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)  # still ahead when a long session comes here


async def run(words: Sequence[str], environment: dict[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert b"Traceback" not in err, err.decode()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture(scope="module")
async def partition(kafka: str, postgres: MigratedDatabase) -> int:
    """Ten records for deliver by a tenant, the first open, 4 done beyond it; the lane is held."""
    client: dict[str, Any] = {"bootstrap.servers": kafka}
    await ensure_topics(client, prefix=PREFIX, partitions=PARTITIONS, single_node=True)
    ring = KeyRing.parse(new_ring_key("test"), variable="TEST")
    operator = await open_pool(postgres.dsns["operator"], service="operator", size=2)
    deliver = await open_pool(postgres.dsns["deliver"], service="deliver", size=2)
    settings, _ = await TenantStore(operator).create(
        NewTenant(TENANT, "https://desk.example", "key"), partitions=100_000, change=Change("test"),
        secrets=WebhookSecrets(operator, ring), credentials=DeskCredentials(operator, ring),
    )  # fmt: skip
    number = settings.partition
    if number >= PARTITIONS:
        await ensure_topics(client, prefix=PREFIX, partitions=number + 1, single_node=True)
    topic, store = Stage.DELIVER.consumes.named(PREFIX), LaneHolds(deliver)
    await store.save(
        HeldEvent(TENANT, "deliver", topic, number, 0, "4711", "e-1", Scope.LANE, "desk_unavailable", "503", UNTIL,
                  UNTIL - timedelta(minutes=9), 6)
    )  # fmt: skip
    await store.save_breaker(LaneBreaker(TENANT, "deliver", BreakerState.OPEN, 6, UNTIL))
    await asyncio.gather(operator.close(), deliver.close())
    await asyncio.to_thread(fill, client, topic, number)
    await commit(kafka, topic, number)
    return number


def fill(client: dict[str, Any], topic: str, number: int) -> None:
    producer = Producer(client)
    for _ in range(10):
        producer.produce(topic, b"x", TENANT.encode(), number)
    producer.flush(10)


async def commit(kafka: str, topic: str, number: int) -> None:
    """As the stages do, with a text that ends in NUL, which confluent_kafka can't send."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=Stage.DELIVER.group(PREFIX), enable_auto_commit=False)
    await consumer.start()
    try:
        at = AIOKafkaTopicPartition(topic, number)
        consumer.assign([at])
        await consumer.commit({at: OffsetAndMetadata(0, "ahead=4\0")})
    finally:
        await consumer.stop()


@pytest.fixture
def environment(kafka: str, postgres: MigratedDatabase, tmp_path: Path) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL_OPERATOR": postgres.dsns["operator"],
        "TICKETSTREAM_STATE_DIR": str(tmp_path),
        "TICKETSTREAM_TOPIC_PREFIX": PREFIX,
    }


async def test_lag_is_shown_by_stage_and_tenant_with_what_is_held(partition: int, environment: dict[str, str]) -> None:
    before = time.time()
    code, out, err = await run(["lag", "show", "--json"], environment)
    assert code == 0, err
    stages = json.loads(out)["stages"]
    assert set(stages) == {stage.value for stage in Stage}
    deliver = stages["deliver"]
    assert deliver["lag"] == 6 and 0 <= deliver["oldest_seconds"] < time.time() - before + 120
    assert deliver["tenants"][TENANT] == {
        "lag": 6,
        "oldest_seconds": deliver["oldest_seconds"],
        "waiting": None,
        "in_flight": None,
        "done_beyond_commit": 4,
        "rate": None,
        "drain_seconds": None,
        "limited_by": "hold",
        "held": {
            "events": 1, "reason": "desk_unavailable", "until": UNTIL.isoformat().replace("+00:00", "Z"), "attempts": 6,
            "breaker": "open",
        },
    }  # fmt: skip
    enrich = stages["enrich"]["tenants"][TENANT]
    assert {name: enrich[name] for name in ("lag", "oldest_seconds", "held")} == {
        "lag": 0, "oldest_seconds": None, "held": None,
    }  # fmt: skip


async def test_people_see_who_lags(partition: int, environment: dict[str, str]) -> None:
    code, out, _ = await run(["lag", "show"], environment)
    assert code == 0
    (line,) = (line for line in out.splitlines() if TENANT in line)
    assert line.split()[:3] == ["deliver", TENANT, "6"]
    assert "hold" in line and "desk_unavailable" in line and "breaker open" in out


async def test_dead_letters_list_shows_what_is_held(partition: int, environment: dict[str, str]) -> None:
    code, out, err = await run(["dead-letters", "list", "--tenant", TENANT, "--json"], environment)
    assert code == 0, err
    (held,) = json.loads(out)["held"]
    assert (held["tenant_id"], held["ticket_id"], held["stage"], held["attempts"]) == (TENANT, "4711", "deliver", 6)
    assert (held["reason"], held["detail"]) == ("desk_unavailable", "503") and held["until"] > held["first_failed_at"]
    code, out, _ = await run(["dead-letters", "list", "--reason", "held_too_long", "--json"], environment)
    assert json.loads(out) == {"dead_letters": [], "held": []}
    assert "Held now" in (await run(["dead-letters", "list"], environment))[1]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "Kafka did not answer"),
        ("DATABASE_URL_OPERATOR", "postgresql://x:y@127.0.0.1:1/z", "PostgreSQL"),
        ("TICKETSTREAM_TOPIC_PREFIX", "no-such-", "topics ensure"),
    ],
)
async def test_what_isnt_known_is_no_number(
    partition: int, environment: dict[str, str], variable: str, value: str, said: str
) -> None:
    code, out, err = await run(["lag", "show", "--json"], {**environment, variable: value})
    assert (code, out) == (1, "") and said in err and len(err.splitlines()) == 1


async def test_dead_letters_are_listed_without_the_database(partition: int, environment: dict[str, str]) -> None:
    away = {**environment, "DATABASE_URL_OPERATOR": "postgresql://x:y@127.0.0.1:1/z"}
    code, out, _ = await run(["dead-letters", "list", "--json"], away)
    assert (code, json.loads(out)["held"]) == (0, None)
