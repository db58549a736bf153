"""Faults of senders: copies, contradictions and forgeries."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from tests.chaos.faults.kinds import Strike

if TYPE_CHECKING:
    from tests.chaos.world import World


async def copies(world: World, random: Random) -> str:
    return f"{world.sender.copy_some(random, 40)} webhooks sent once more, to all edges at the same instant"


async def contradictions(world: World, random: Random) -> str:
    return f"{world.sender.contradict_some(random, 5)} webhook-ids used for another body"


async def forgeries(world: World, random: Random) -> str:
    return f"{world.sender.forge_each(random)} webhooks that must be refused, one of each kind"


WEBHOOKS: dict[str, Strike] = {
    "webhooks: copies": copies,
    "webhooks: contradictions": contradictions,
    "webhooks: forgeries": forgeries,
}
