"""`python -m processors.feedback_aggregate`: the stage as a process."""

from __future__ import annotations

import asyncio

from infra.runtime.clock import SystemClock
from infra.runtime.kafka.client_settings import load_kafka
from infra.runtime.settings import load
from infra.runtime.stream.outcomes import Outcome
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import StageSpec, exit_with
from processors.feedback_aggregate.processor import process
from processors.feedback_aggregate.recent import RecentRatings
from processors.feedback_aggregate.settings import FeedbackAggregateSettings
from schemas.topics import Stage
from sinks.postgres.feedback import Feedback
from sinks.stage_ports import open_stage


async def main() -> int:
    settings, kafka = load(FeedbackAggregateSettings), load_kafka()
    async with open_stage(Stage.FEEDBACK_AGGREGATE, settings, kafka) as stage:
        store, clock = Feedback(stage.pool), SystemClock()
        recent = RecentRatings(store, clock)

        async def decide(inputs: Input) -> Outcome:
            outcome = await process(inputs.event, store=store, clock=clock)
            recent.noted(inputs.event.tenant_id)
            return outcome

        looking = asyncio.create_task(recent.run([tenant.tenant_id for tenant in stage.tenants.all()]))
        try:
            return await stage.run(StageSpec(Stage.FEEDBACK_AGGREGATE, decide, slots=settings.slots))
        finally:
            looking.cancel()


if __name__ == "__main__":
    exit_with(main)
