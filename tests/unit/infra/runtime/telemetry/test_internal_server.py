"""The internal port over real HTTP: what Kubernetes, Prometheus and people ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from infra.runtime.telemetry import internal_server, metrics
from infra.runtime.telemetry.internal_server import Check, CheckResult, InternalServer

Answer = tuple[int, Any]
Ask = Callable[[str], Awaitable[Answer]]
Serve = Callable[..., Awaitable[Ask]]


def check(ok: bool, detail: str = "", *, required: bool = True) -> Check:
    async def result() -> CheckResult:
        return CheckResult(ok, detail, required)

    return result


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers, session = list[InternalServer](), aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def start(checks: Mapping[str, Check] | None = None, **options: Any) -> Ask:
        server = InternalServer(checks=checks or {}, **options)
        servers.append(server)
        await server.start("127.0.0.1", 0)

        async def ask(path: str) -> Answer:
            async with session.get(f"http://127.0.0.1:{server.port}{path}") as response:
                body = await response.json() if response.content_type == "application/json" else await response.text()
                return response.status, body

        return ask

    yield start
    await session.close()
    for server in servers:
        await server.stop()


async def test_a_healthy_process(serve: Serve) -> None:
    ask = await serve({"kafka": check(True)})
    assert await ask("/livez") == (200, "ok")
    assert await ask("/readyz") == (200, {"ready": True, "failing": {}})
    assert await ask("/health") == (200, {"status": "healthy", "checks": {"kafka": {"ok": True, "detail": ""}}})


async def test_what_is_required_and_fails_makes_it_unhealthy_and_not_ready_but_alive(serve: Serve) -> None:
    ask = await serve({"kafka": check(False, "no broker answers"), "database": check(True)})
    assert await ask("/readyz") == (503, {"ready": False, "failing": {"kafka": "no broker answers"}})
    status, health = await ask("/health")
    assert (status, health["status"], health["checks"]["database"]["ok"]) == (503, "unhealthy", True)
    assert (await ask("/livez"))[0] == 200  # a restart would not bring the broker back


async def test_what_is_not_required_and_fails_makes_it_degraded_and_still_ready(serve: Serve) -> None:
    ask = await serve({"kafka": check(True), "database": check(False, "away", required=False)})
    assert (await ask("/readyz"))[0] == 200
    status, health = await ask("/health")
    assert (status, health["status"]) == (200, "degraded")
    assert health["checks"]["database"] == {"ok": False, "detail": "away"}


async def test_a_check_that_raises_or_hangs_fails_within_bounds(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internal_server, "CHECK_SECONDS", 0.05)

    async def raises() -> CheckResult:
        raise RuntimeError("no pool")

    async def hangs() -> CheckResult:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    ask = await serve({"raises": raises, "hangs": hangs, "works": check(True)})
    status, answer = await ask("/readyz")
    assert status == 503
    assert answer["failing"]["raises"] == "RuntimeError: no pool"
    assert "no answer within" in answer["failing"]["hangs"] and "works" not in answer["failing"]


async def test_a_process_that_only_a_restart_helps_is_not_alive(serve: Serve) -> None:
    alive = True
    ask = await serve(alive=lambda: alive)
    assert (await ask("/livez"))[0] == 200
    alive = False
    assert (await ask("/livez"))[0] == 503


async def test_metrics_can_be_scraped(serve: Serve) -> None:
    ask = await serve()
    metrics.EVENTS_HANDLED.labels("enrich", "msp-scraped", "drop", "unchanged").inc(3)
    status, text = await ask("/metrics")
    samples = {
        sample.labels["tenant_id"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "ticketstream_events_handled_total"
    }
    assert (status, samples["msp-scraped"]) == (200, 3.0)


async def test_a_process_adds_its_own_routes_and_nothing_else_is_there(serve: Serve) -> None:
    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": []})

    ask = await serve(routes=[web.get("/keys", keys)])
    assert await ask("/keys") == (200, {"keys": []})
    assert (await ask("/"))[0] == 404
    assert (await ask("/readyz/more"))[0] == 404


async def test_a_port_that_is_taken_is_an_error() -> None:
    first, second = InternalServer(checks={}), InternalServer(checks={})
    await first.start("127.0.0.1", 0)
    with pytest.raises(OSError, match="address already in use"):
        await second.start("127.0.0.1", first.port)
    await second.stop()
    await first.stop()


async def test_after_the_stop_nobody_answers(serve: Serve) -> None:
    server = InternalServer(checks={})
    await server.start("127.0.0.1", 0)
    await server.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", server.port)
