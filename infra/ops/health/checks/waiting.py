"""How many tickets of each tenant wait, as the lag service tells it: the sum over the stages, as HighQueueDepth has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.ops.cli.commands.lag import scaling_of
from infra.ops.cli.kafka_reader import kafka_client
from infra.ops.health.looking import Looking
from infra.ops.lag.reading import KafkaReader, LagReader
from schemas.topics import Stage

OWN_DESK = ("desk_", "tenant_disabled")
ORDINARY = frozenset({"retry", "gathering", "answer_pending", "note_pending", "note_uncertain"})
"""Short holds that belong to everyday work."""


@dataclass(slots=True)
class Waits:
    """One tenant's. `held` is stage and reason of what is held for another cause than everyday work, `tries` the most tries."""

    tickets: int = 0
    oldest_seconds: float = 0.0
    held: dict[str, str] = field(default_factory=dict)
    tries: int = 0

    @property
    def held_by_its_desk(self) -> bool:
        """Its backlog is its desk's matter, or was asked for."""
        return any(reason.startswith(OWN_DESK) for reason in self.held.values())


async def waiting(sight: Looking) -> dict[str, Waits]:
    """By tenant, read once for all checks. Raises what the lag service, Kafka or the database raises; ValueError where the service
    knows nothing now."""
    return await sight.once(_waiting)


async def _waiting(sight: Looking) -> dict[str, Waits]:
    return by_tenant(await _stages(sight))


def by_tenant(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, Waits]:
    """From what `/lag` and `ticketstream lag show --json` have of the stages. Raises ValueError for a stage that isn't known."""
    found: dict[str, Waits] = {}
    for stage, told in stages.items():
        if told.get("error"):
            raise ValueError(f"{stage}: {told['error']}")
        if stage != Stage.FEEDBACK_AGGREGATE.value:
            for tenant_id, lag in told["tenants"].items():
                _add(found.setdefault(tenant_id, Waits()), stage, lag)
    return found


async def _stages(sight: Looking) -> Mapping[str, Mapping[str, Any]]:
    """The lag service's word, or else Kafka's and PostgreSQL's own, as `ticketstream lag show` has it."""
    if url := sight.lag_service:
        _, told = await sight.get(f"{url}/lag")
        stages: Mapping[str, Mapping[str, Any]] = told["stages"]
        return stages
    around = sight.around
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    async with KafkaReader(kafka_client(dict(around.variables)), around.topic_prefix) as kafka:
        reader = LagReader(kafka, await sight.pool(), scaling_of(around), prefix=around.topic_prefix)
        read: Mapping[str, Mapping[str, Any]] = (await reader.read()).as_json()["stages"]
        return read


def _add(waits: Waits, stage: str, lag: Mapping[str, Any]) -> None:
    waits.tickets += lag["lag"]
    waits.oldest_seconds = max(waits.oldest_seconds, lag["oldest_seconds"] or 0.0)
    held = lag["held"]
    if held and held["reason"] not in ORDINARY:
        waits.held[stage] = held["reason"]
        waits.tries = max(waits.tries, held["attempts"])
