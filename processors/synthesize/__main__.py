"""`python -m processors.synthesize`: the stage as a process, the only place where its adapters are chosen."""

from __future__ import annotations

import asyncio
from random import Random

from infra.runtime.clock import SystemClock
from infra.runtime.kafka.client_settings import load_kafka
from infra.runtime.settings import load
from infra.runtime.stream.handler import Process
from infra.runtime.stream.outcomes import Outcome
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import StageSpec, exit_with
from infra.runtime.telemetry.logs import get_logger
from processors.synthesize.author import Author
from processors.synthesize.guarded_model import GuardedModel
from processors.synthesize.patience import Patience
from processors.synthesize.processor import Stores, process
from processors.synthesize.settings import SynthesizeSettings
from processors.synthesize.turns import READY, Turns
from processors.synthesize.writer.builtin import BuiltinWriter
from processors.synthesize.writer.litellm_model import LitellmModel
from schemas.topics import Stage
from sinks.postgres.answers import Answers
from sinks.postgres.enhancements import Enhancements
from sinks.stage_ports import StageContext, open_stage

log = get_logger(__name__)


async def main() -> int:
    settings = load(SynthesizeSettings)
    async with open_stage(Stage.SYNTHESIZE, settings, load_kafka()) as context:
        model = LitellmModel(settings.account) if settings.account else None
        log.info("Writer chosen", model=model is not None, api_base=settings.model_api_base)
        warming = asyncio.create_task(model.warm_up()) if model else None
        spec = StageSpec(
            Stage.SYNTHESIZE,
            wired(context, settings, model),
            slots=settings.slots + READY,
            detach=True,
            grace=settings.grace_seconds,
        )
        code = await context.run(spec)
        if warming:
            warming.cancel()
        return code


def wired(context: StageContext, settings: SynthesizeSettings, model: LitellmModel | None) -> Process:
    """The decision with its adapters, as the runner calls it."""
    pool, tenants, clock = context.pool, context.tenants, SystemClock()
    stores = Stores(Answers(pool), Enhancements(pool))
    patience = Patience(attempts=settings.model_attempts, seconds=settings.model_working_seconds)
    guarded = GuardedModel(model, clock=clock, random=Random()) if model else None
    author = Author(model=guarded, builtin=BuiltinWriter(), patience=patience, clock=clock)
    turns = Turns(aside=settings.slots)

    async def run(inputs: Input) -> Outcome:
        async with turns.turn():
            return await process(inputs.event, stores=stores, tenants=tenants, author=author, clock=clock)

    return run


if __name__ == "__main__":
    exit_with(main)
