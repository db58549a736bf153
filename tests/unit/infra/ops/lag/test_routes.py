"""What the lag service answers: to KEDA, to the console, to Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from infra.ops.lag.brokers import LagUnknown
from infra.ops.lag.holds import HeldLane
from infra.ops.lag.metrics import Connections, LagCollector, Shown
from infra.ops.lag.offsets import PartitionLag
from infra.ops.lag.routes import LagServer
from infra.runtime.stream.breaker import BreakerState
from schemas.topics import Stage
from tests.unit.infra.ops.lag.watching import World

HELD = HeldLane(3, "desk_unavailable", datetime(2026, 1, 31, tzinfo=UTC), 4, BreakerState.OPEN, closed=True)


@pytest.fixture
def world() -> World:
    return World(
        lags={**dict.fromkeys(Stage, PartitionLag(7, 7, running=0)), Stage.DELIVER: PartitionLag(0, 20, running=5)}
    )


@dataclass
class Client:
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(f"{self.url}{path}") as answer:
            body = await answer.read()
            assert answer.headers["Content-Length"] == str(len(body))
            assert answer.content_type == "application/json"
            return answer.status, orjson.loads(body)


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    server = LagServer(world.watch)
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Client(f"http://127.0.0.1:{server.port}", session)
    await server.stop()


async def test_keda_is_told_what_is_wanted(world: World, client: Client) -> None:
    await world.watch.look()
    assert await client.get("/scaling/deliver") == (
        200,
        {
            "stage": "deliver", "desired_replicas": 2, "lag": 20, "oldest_seconds": 40, "slots": 8,
            "tenants": [{"tenant_id": "one", "lag": 20, "oldest_seconds": 40, "limited_by": "cap"}],
        },
    )  # fmt: skip
    status, idle = await client.get("/scaling/enrich")
    assert (status, idle["lag"], idle["oldest_seconds"], idle["desired_replicas"]) == (200, 0, 0, 2)


async def test_what_isnt_known_is_an_error_to_keda_and_null_to_people(world: World, client: Client) -> None:
    status, said = await client.get("/scaling/deliver")
    assert (status, said["error"]) == (503, "nothing was read yet")
    status, lag = await client.get("/lag")
    assert status == 200 and {stage["lag"] for stage in lag["stages"].values()} == {None}
    await world.watch.look()
    world.unknown[Stage.DELIVER] = LagUnknown("Kafka refuses", "cure", "refused")
    await world.watch.look()
    assert (await client.get("/scaling/deliver"))[0] == 503
    assert (await client.get("/scaling/enrich"))[0] == 200
    lag = (await client.get("/lag"))[1]
    assert (lag["stages"]["deliver"]["lag"], lag["stages"]["enrich"]["lag"]) == (None, 0)


async def test_a_stage_that_isnt_there_is_not_found(client: Client) -> None:
    status, said = await client.get("/scaling/" + "x" * 500)
    assert status == 404 and said["stages"] == [stage.value for stage in Stage] and len(said["error"]) < 100


async def test_people_see_all_of_a_tenant(world: World, client: Client) -> None:
    world.held["deliver", "one"] = HELD
    await world.watch.look()
    status, lag = await client.get("/lag")
    assert status == 200 and lag["error"] is None
    assert lag["stages"]["deliver"]["tenants"]["one"] == {
        "lag": 20, "oldest_seconds": 40.0, "waiting": 15, "in_flight": 5, "done_beyond_commit": 0, "rate": None,
        "drain_seconds": None, "limited_by": "hold", "held": HELD.as_json(),
    }  # fmt: skip


def metrics(shown: Shown) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(LagCollector(lambda: shown))
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def test_prometheus_reads_the_same_view(world: World) -> None:
    world.held["synthesize", "one"] = HELD
    world.lags[Stage.SYNTHESIZE] = PartitionLag(0, 9, running=0)
    await world.watch.look()
    found = metrics(Shown(world.watch.lag()[0], 123.0, True, Connections(12, 100)))
    assert {name: value for name, value in found.items() if "deliver" in name} == {
        'ticketstream_lag_events{stage="deliver",tenant_id="one"}': 20,
        'ticketstream_lag_oldest_seconds{stage="deliver",tenant_id="one"}': 40,
        'ticketstream_lag_in_flight{stage="deliver",tenant_id="one"}': 5,
        'ticketstream_lag_limited{limited_by="cap",stage="deliver",tenant_id="one"}': 1,
        'ticketstream_lag_unowned_events{stage="deliver"}': 0,
        'ticketstream_scaling_demand{stage="deliver"}': 5,
        'ticketstream_scaling_desired_replicas{stage="deliver"}': 2,
    }
    assert found['ticketstream_lag_held{reason="desk_unavailable",stage="synthesize",tenant_id="one"}'] == 3
    assert found['ticketstream_lag_limited{limited_by="hold",stage="synthesize",tenant_id="one"}'] == 1
    assert found['ticketstream_lag_events{stage="enrich",tenant_id="one"}'] == 0
    assert not [name for name in found if "enrich" in name and ("oldest" in name or "limited" in name)]
    assert found["ticketstream_lag_view_timestamp_seconds"] == 123.0
    assert found["ticketstream_database_server_max_connections"] == 100


async def test_of_a_stale_view_there_are_no_series(world: World) -> None:
    assert metrics(Shown(None, 123.0, False, None)) == {}
    world.held["deliver", "one"] = HELD
    await world.watch.look()
    without = metrics(Shown(world.watch.lag()[0], 123.0, with_holds=False))
    assert 'ticketstream_lag_events{stage="deliver",tenant_id="one"}' in without
    assert not [name for name in without if "scaling" in name or "limited" in name or "held" in name]
