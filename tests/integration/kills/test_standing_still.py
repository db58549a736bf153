"""Workers, then the broker, stand still for longer than a session under traffic, and go on: nothing is lost, nothing said twice."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from infra.ops.local.kafka import KafkaBroker
from schemas.topics import Stage
from tests.integration.kills.town import Town
from tests.integration.kills.traffic import Traffic

FROZEN_SECONDS = 15.0
STAGES = (Stage.ENRICH.value, Stage.SYNTHESIZE.value, Stage.DELIVER.value)


async def frozen(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_SECONDS)  # the time itself is what is tested
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.timeout(400)
async def test_frozen_workers_and_a_frozen_broker_lose_nothing_and_say_nothing_twice(
    town: Town, kafka_broker: KafkaBroker
) -> None:
    await town.real_times()
    extras = [await town.start(stage) for stage in STAGES]
    traffic = Traffic(town, await town.tenants(6))
    async with traffic.flowing(per_second=2):
        await asyncio.sleep(2)
        await frozen(*(extra.process.pid for extra in extras))
        assert kafka_broker.pid
        await frozen(kafka_broker.pid)
        await asyncio.sleep(2)
    await traffic.all_said_once(seconds=120)
    for extra in extras:
        assert extra.process.returncode is None, "a worker that stood still goes on by itself"
        extra.process.terminate()
        await extra.process.wait()
