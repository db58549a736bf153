"""Where an investigation looks. Each part may be missing, and then says why."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.ops.cli.failure import Failure
from infra.ops.cli.surroundings import Surroundings
from infra.ops.investigate.desk import Desk, service_desk
from infra.ops.investigate.facts import DESK, KAFKA, POSTGRES
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.keys.rings import KeyRing, KeyRingError
from infra.runtime.postgres.pool import Pool
from schemas.wire_format import Codec

LOOK_SECONDS = 1.1
"""For what has to be searched for in Kafka."""
ANSWER_SECONDS = 4.0
"""For all that a source is asked."""
KEYS = "TICKETSTREAM_CREDENTIAL_KEYS"


@dataclass(frozen=True, slots=True)
class Sources:
    """`kafka` is librdkafka's settings. What is None is missing, with the reason in `missing` by its name. `look_seconds`
    bounds each search in Kafka; several run at once. `answer_seconds` bounds all that one source is asked."""

    pool: Pool | None = None
    kafka: Mapping[str, Any] | None = None
    prefix: str = ""
    desk: Desk | None = None
    codec: Codec = field(default_factory=Codec)
    clock: Clock = field(default_factory=SystemClock)
    look_seconds: float = LOOK_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    missing: Mapping[str, str] = field(default_factory=dict)


@asynccontextmanager
async def sources_around(
    around: Surroundings, pool: Pool | None, *, why_no_pool: str = "", look_seconds: float = LOOK_SECONDS
) -> AsyncIterator[Sources]:
    """What the variables name. `pool` has the operator's role, or is None. Raises nothing for what isn't set: it is missing."""
    missing: dict[str, str] = {}
    async with AsyncExitStack() as opened:
        desk: Desk | None = None
        if pool is None:
            missing[POSTGRES] = why_no_pool or "it did not answer"
            missing[DESK] = "its address and credential are in the database"
        else:
            try:
                desk = await opened.enter_async_context(
                    service_desk(pool, _ring(around), local=around.variables.get("TICKETSTREAM_LOCAL") == "1")
                )
            except (KeyRingError, Failure) as error:
                missing[DESK] = f"its credential can't be opened here ({error})"
        kafka = _kafka(around, missing)
        yield Sources(
            pool, kafka, around.topic_prefix, desk, await _codec(around, missing), look_seconds=look_seconds, missing=missing
        )  # fmt: skip


def _ring(around: Surroundings) -> KeyRing:
    return KeyRing.parse(around.need(KEYS), variable=KEYS)


def _kafka(around: Surroundings, missing: dict[str, str]) -> Mapping[str, Any] | None:
    from infra.ops.cli.kafka_reader import client_config

    try:
        around.need("KAFKA_BOOTSTRAP_SERVERS")
        return client_config(dict(around.variables))
    except Failure as error:
        missing[KAFKA] = str(error)
        return None


async def _codec(around: Surroundings, missing: dict[str, str]) -> Codec:
    """Somebody else's registry numbers schemas anew; without it events of theirs can't be read, and ours can."""
    url = around.variables.get("SCHEMA_REGISTRY_URL")
    if not url:
        return Codec()
    from infra.runtime.kafka.schema_registry import SchemaRegistryError, codec_with

    try:
        return await codec_with(url, around.topic_prefix)
    except SchemaRegistryError as error:
        missing["schema registry"] = str(error)
        return Codec()
