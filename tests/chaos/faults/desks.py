"""Faults of tenants' desks: a few tenants each time, since others must not notice."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from infra.ops.local.servicedesk_simulator import DeskFault
from tests.chaos.faults.kinds import Strike

if TYPE_CHECKING:
    from tests.chaos.world import World

SHARE = 0.3
"""Outages last for seconds, not for a number of calls: a desk that is asked ever more rarely would never get over those."""


def _desks(**fault: Any) -> Strike:
    async def strike(world: World, random: Random) -> str:
        names = sorted(world.secrets)
        chosen = random.sample(names, max(1, round(SHARE * len(names))))
        for name in chosen:
            await world.insist_on_desk(name, DeskFault(**fault))
        return f"{', '.join(f'{key} {value}' for key, value in fault.items())} at {len(chosen)} desks"

    return strike


NOTE = "add_note"
DESKS: dict[str, Strike] = {
    "desk: 429 storm": _desks(kind="rate_limit", lasting=6, retry_after=2),
    "desk: 500 after the note": _desks(kind="error", when="after", operation=NOTE, status=500, calls=2),
    "desk: reset after the note": _desks(kind="reset", when="after", operation=NOTE, calls=2),
    "desk: reset before": _desks(kind="reset", lasting=3),
}
PATIENT_DESKS: dict[str, Strike] = {
    "desk: 502 after the note": _desks(kind="error", when="after", operation=NOTE, status=502, calls=2),
    "desk: 503 before": _desks(kind="error", status=503, lasting=6),
    "desk: garbage after the note": _desks(kind="garbage", when="after", operation=NOTE, calls=2),
    "desk: login page": _desks(kind="login_page", lasting=5),
    "desk: hangs after the note": _desks(kind="hang", when="after", operation=NOTE, seconds=25, calls=1),
    "desk: hangs before": _desks(kind="hang", seconds=25, calls=2),
    "desk: slow": _desks(kind="latency", seconds=0.5, seconds_max=4, calls=30),
}
