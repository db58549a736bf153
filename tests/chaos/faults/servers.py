"""Faults of Kafka, PostgreSQL, the desks' server, and of the connections to them."""

from __future__ import annotations

import asyncio
import os
import signal
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.kinds import Strike

if TYPE_CHECKING:
    from tests.chaos.proxy import TcpProxy
    from tests.chaos.world import World


async def kill_kafka(world: World, random: Random) -> str:
    async with world.alone("kafka"):
        world.broker.kill()
        await asyncio.sleep(random.uniform(0.5, 2.0))
        await world.broker.start()
    return "kill -9 of the broker, started again"


async def freeze_kafka(world: World, random: Random) -> str:
    seconds = random.uniform(3.0, 7.0)
    async with world.alone("kafka"):
        pid = world.broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(pid, signal.SIGCONT)
    return f"the broker stood still for {seconds:.1f} s"


async def restart_postgres(world: World, random: Random) -> str:
    async with world.alone("postgres"):
        await world.postgres.stop()
        await asyncio.sleep(random.uniform(0.5, 2.0))
        await world.start_postgres()
    return "PostgreSQL stopped and started"


async def kill_postgres(world: World, random: Random) -> str:
    async with world.alone("postgres"):
        world.postgres.kill()
        await asyncio.sleep(random.uniform(0.5, 2.0))
        await world.start_postgres()
    return "kill -9 of PostgreSQL, started again"


async def kill_desk(world: World, random: Random) -> str:
    for member in world.fleet.of("desk"):
        world.fleet.kill(member)
    return "kill -9 of the desks' server"


def _cut(name: str) -> Strike:
    async def strike(world: World, random: Random) -> str:
        count = sum([proxy.cut() for proxy in world.proxies_to(name)])
        return f"{count} connections to {name} reset"

    return strike


def _hold(name: str, shortest: float, longest: float) -> Strike:
    async def strike(world: World, random: Random) -> str:
        seconds = random.uniform(shortest, longest)
        proxies: list[TcpProxy] = world.proxies_to(name)
        async with world.alone(f"way to {name}"):
            for proxy in proxies:
                proxy.hold()
            await asyncio.sleep(seconds)
            for proxy in proxies:
                proxy.release()
        return f"nothing passed to {name} for {seconds:.1f} s"

    return strike


async def lose_answers(world: World, random: Random) -> str:
    """The edge accepts, the sender never hears of it."""
    for proxy in world.proxies_to("ingest"):
        proxy.lose_answers(10)
    return "20 of the edges' answers lost on the way"


KAFKAS: dict[str, Strike] = {
    "kill Kafka": kill_kafka,
    "freeze Kafka": freeze_kafka,
    "cut Kafka's connections": _cut("kafka"),
    "hold Kafka's connections": _hold("kafka", 3.0, 6.0),
}
DATABASES: dict[str, Strike] = {
    "restart PostgreSQL": restart_postgres,
    "kill PostgreSQL": kill_postgres,
    "cut PostgreSQL's connections": _cut("postgres"),
    "hold PostgreSQL's connections": _hold("postgres", 3.0, 6.0),
}
EDGES: dict[str, Strike] = {"cut the edges' connections": _cut("ingest"), "lose the edges' answers": lose_answers}
LONG_SERVERS: dict[str, Strike] = {
    "kill the desks' server": kill_desk,
    "cut the desks' connections": _cut("desk"),
    "hold the desks' connections": _hold("desk", 4.0, 8.0),
}
