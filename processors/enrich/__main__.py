"""Runs enrich: the only place where its adapters are chosen."""

from __future__ import annotations

from datetime import timedelta

from infra.runtime.clock import SystemClock
from infra.runtime.kafka.client_settings import load_kafka
from infra.runtime.settings import load
from infra.runtime.stream.handler import Process
from infra.runtime.stream.outcomes import Outcome
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import StageSpec, exit_with
from processors.enrich.cache import AnswerCache, CachedSearch
from processors.enrich.fingerprint import fingerprint
from processors.enrich.gather import Limits
from processors.enrich.obstacle import Restraint
from processors.enrich.processor import Knowledge, Stores, process
from processors.enrich.settings import EnrichSettings
from processors.enrich.sources.docs import Docs
from processors.enrich.sources.ip_data import IpData
from processors.enrich.sources.ticket_history import TicketHistory
from schemas.topics import Stage
from sinks.postgres.arrivals import Arrivals
from sinks.postgres.enhancements import Enhancements
from sinks.postgres.received_events import ReceivedEvents
from sinks.postgres.search import Search
from sinks.postgres.word_counts import WordCounts
from sinks.stage_ports import StageContext, open_stage


async def main() -> int:
    settings = load(EnrichSettings)
    async with open_stage(Stage.ENRICH, settings, load_kafka()) as context:
        return await context.run(StageSpec(Stage.ENRICH, wired(context, settings), slots=settings.slots))


def wired(context: StageContext, settings: EnrichSettings) -> Process:
    """The decision with its adapters, as the runner calls it."""
    pool, tenants, clock = context.pool, context.tenants, SystemClock()
    search = Search(pool)
    stores = Stores(Arrivals(pool), ReceivedEvents(pool), Enhancements(pool))
    knowledge = Knowledge(
        sources=(TicketHistory(), Docs(), IpData()),
        search=search,
        remembering=CachedSearch(Search(pool, WordCounts()), AnswerCache()),
        limits=Limits(per_source=settings.source_seconds, together=settings.gather_seconds),
    )
    restraint = Restraint(timedelta(seconds=settings.gather_edits_seconds), settings.notes_a_day)

    async def run(inputs: Input) -> Outcome:
        event = inputs.event
        return await process(
            event,
            inputs.position,
            fingerprint(event),
            stores=stores,
            knowledge=knowledge,
            tenants=tenants,
            clock=clock,
            restraint=restraint,
        )

    return run


if __name__ == "__main__":
    exit_with(main)
