"""Faults of the model's provider."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from infra.ops.local.model_server import ModelFault
from tests.chaos.faults.kinds import Strike

if TYPE_CHECKING:
    from tests.chaos.world import World


def _model(**fault: Any) -> Strike:
    async def strike(world: World, random: Random) -> str:
        await world.model.set_faults(ModelFault(**fault))
        return ", ".join(f"{key} {value}" for key, value in fault.items())

    return strike


MODELS: dict[str, Strike] = {
    "model: 429": _model(kind="rate_limit", lasting=6, retry_after=2),
    "model: 500": _model(kind="error", status=500, lasting=5),
    "model: garbage": _model(kind="garbage", calls=8),
    "model: reset": _model(kind="reset", calls=8),
}
PATIENT_MODELS: dict[str, Strike] = {
    "model: hangs": _model(kind="hang", seconds=20, calls=8),
    "model: error within 200": _model(kind="error_in_200", status=502, calls=8),
    "model: no choices": _model(kind="empty_choices", calls=8),
    "model: slow": _model(kind="latency", seconds=3, seconds_max=12, calls=40),
}
