"""Faults of the chain's own processes."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.kinds import Strike

if TYPE_CHECKING:
    from tests.chaos.world import World

STAGES = ("enrich", "synthesize", "deliver", "feedback_aggregate")
SERVICES = ("ingest", *STAGES)


def _kill_one(service: str) -> Strike:
    async def strike(world: World, random: Random) -> str:
        member = random.choice(world.fleet.of(service))
        world.fleet.kill(member)
        return f"kill -9 {member.name}"

    return strike


async def kill_pair(world: World, random: Random) -> str:
    """All workers of a stage at once: nobody is left to take over."""
    service = random.choice(STAGES[:3])
    for member in world.fleet.of(service):
        world.fleet.kill(member)
    return f"kill -9 all of {service}"


async def freeze_worker(world: World, random: Random) -> str:
    """Long enough that its group goes on without it, and it doesn't know when it wakes."""
    member = random.choice([one for stage in STAGES[:3] for one in world.fleet.of(stage)])
    seconds = random.uniform(12.0, 18.0)
    world.fleet.freeze(member)
    await asyncio.sleep(seconds)
    world.fleet.thaw(member)
    if member.service == "synthesize":
        world.excuses.append(time.time() - seconds)
    return f"{member.name} stood still for {seconds:.1f} s"


async def freeze_edge(world: World, random: Random) -> str:
    member = random.choice(world.fleet.of("ingest"))
    seconds = random.uniform(3.0, 8.0)
    world.fleet.freeze(member)
    await asyncio.sleep(seconds)
    world.fleet.thaw(member)
    return f"{member.name} stood still for {seconds:.1f} s"


async def scale(world: World, random: Random) -> str:
    """Two more workers of each stage, and away with them again."""
    more = [await world.add(stage, number) for number in (3, 4) for stage in STAGES[:3]]
    await asyncio.gather(*(world.fleet.ready(member) for member in more))
    await asyncio.sleep(random.uniform(6.0, 10.0))
    await asyncio.gather(*(world.fleet.remove(member.name) for member in more))
    return "2 -> 4 -> 2 workers of enrich, synthesize, deliver"


async def roll(world: World, random: Random) -> str:
    """Every process is exchanged, one of each service at a time."""
    for number in range(world.plan.replicas):
        members = [world.fleet.of(service)[number] for service in SERVICES]
        await asyncio.gather(*(world.fleet.exchange(member) for member in members))
    return "all processes exchanged in turn"


KILLS: dict[str, Strike] = {f"kill {service}": _kill_one(service) for service in SERVICES}
LONG_PROCESSES: dict[str, Strike] = {
    "kill a whole stage": kill_pair,
    "freeze a worker": freeze_worker,
    "freeze an edge": freeze_edge,
    "scale out and in": scale,
    "rolling restart": roll,
}
