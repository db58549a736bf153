"""The metrics' text: the same as the library makes, in slices, while the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
import time

import aiohttp
import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from infra.runtime.telemetry import internal_server, process_metrics
from infra.runtime.telemetry.exposition import SLICE_SAMPLES, rendered

TENANTS = 200
SERIES = 20_000


def large_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    handled = Counter("handled_total", "Events\nby outcome \\ reason.", ["tenant_id", "outcome"], registry=registry)
    seconds = Histogram("took_seconds", "Time.", ["tenant_id"], buckets=(1, 5), registry=registry)
    Gauge("nothing", "Without a sample.", ["tenant_id"], registry=registry)
    Gauge("one", "A single one.", registry=registry).set(1)
    for number in range(TENANTS):
        seconds.labels(f"msp-{number}").observe(2)
        for outcome in range(SERIES // TENANTS - 5):
            handled.labels(f"msp-{number}", f'"{outcome}"').inc()
    return registry


def test_the_text_is_what_the_library_makes() -> None:
    registry = large_registry()
    assert rendered(registry, lambda: None) == generate_latest(registry)


def test_a_series_whose_name_is_known_already_shows_its_new_value() -> None:
    registry = CollectorRegistry()
    value = Gauge("value", "Any.", ["tenant_id"], registry=registry)
    took = Histogram("took_seconds", "Time.", ["tenant_id"], buckets=(1, 5), registry=registry)
    for number in (1, 0.25, -3e10, 1e-9, float("inf"), float("nan")):
        value.labels('msp "one"').set(number)
        took.labels("msp\\two\n").observe(number)
        assert rendered(registry, lambda: None) == generate_latest(registry)


def test_no_slice_is_longer_than_another_thread_may_wait() -> None:
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1

    rendered(large_registry(), pause)
    assert pauses >= SERIES / SLICE_SAMPLES


async def test_the_event_loop_turns_while_many_series_are_rendered() -> None:
    rendering, turns = asyncio.create_task(asyncio.to_thread(rendered, large_registry())), 0
    while not rendering.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await rendering).count(b"\n") > SERIES * 0.95
    assert turns > SERIES / SLICE_SAMPLES / 4


async def test_scrapers_that_come_together_share_one_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    made, go_on = 0, threading.Event()

    def slow() -> bytes:
        nonlocal made
        made += 1
        go_on.wait(10)
        return b"up 1\n"

    monkeypatch.setattr(internal_server, "rendered", slow)
    server = internal_server.InternalServer(checks={})
    await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:

        async def scrape() -> bytes:
            async with session.get(f"http://127.0.0.1:{server.port}/metrics") as answer:
                return await answer.read()

        scrapes = [asyncio.create_task(scrape()) for _ in range(3)]
        async with session.get(f"http://127.0.0.1:{server.port}/livez") as alive:
            assert alive.status == 200, "and nothing else waits for it"
        go_on.set()
        assert await asyncio.gather(*scrapes) == [b"up 1\n"] * 3
    await server.stop()
    assert made <= 2, "the last may have come when the first was done"


async def test_every_process_shows_its_release_and_how_late_its_loop_is() -> None:
    before = REGISTRY.get_sample_value("ticketstream_event_loop_lag_seconds_count") or 0.0
    server = internal_server.InternalServer(checks={})
    await server.start("127.0.0.1", 0)
    try:
        async with asyncio.timeout(10):
            while REGISTRY.get_sample_value("ticketstream_event_loop_lag_seconds_count") == before:
                await asyncio.sleep(0.05)
    finally:
        await server.stop()
    assert b"ticketstream_build_info{version=" in generate_latest(REGISTRY)


async def test_a_turn_of_the_loop_that_takes_long_is_seen() -> None:
    watching = asyncio.create_task(process_metrics.watch_loop(0.01))
    name, edge = "ticketstream_event_loop_lag_seconds_bucket", {"le": "0.1"}
    await asyncio.sleep(0)
    quick, total = REGISTRY.get_sample_value(name, edge), REGISTRY.get_sample_value(name, {"le": "+Inf"})
    time.sleep(0.2)  # what is to be seen
    async with asyncio.timeout(10):
        while REGISTRY.get_sample_value(name, {"le": "+Inf"}) == total:
            await asyncio.sleep(0)
    watching.cancel()
    assert REGISTRY.get_sample_value(name, edge) == quick
