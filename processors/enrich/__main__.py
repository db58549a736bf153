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
from processors.enrich.fetch import fetched
from processors.enrich.fingerprint import fingerprint
from processors.enrich.gather import Limits
from processors.enrich.metrics import known_sources
from processors.enrich.obstacle import Restraint
from processors.enrich.ports import Desk
from processors.enrich.processor import Knowledge, Stores, process
from processors.enrich.settings import EnrichSettings
from processors.enrich.sources.docs import Docs
from processors.enrich.sources.ip_data import IpData
from processors.enrich.sources.ticket_history import TicketHistory
from schemas.events import TicketReceived
from schemas.topics import Stage
from sinks.postgres.arrivals import Arrivals
from sinks.postgres.credentials import CredentialsToFetch
from sinks.postgres.desk_access_tokens import OF_BEARER_TENANTS, StoredAccessTokens
from sinks.postgres.enhancements import Enhancements
from sinks.postgres.received_events import ReceivedEvents
from sinks.postgres.search import Search
from sinks.postgres.word_counts import WordCounts
from sinks.servicedesk.accounts import StoredDeskAccounts
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient
from sinks.servicedesk.listing import ServiceDeskListing
from sinks.servicedesk.transport import Transport
from sinks.stage_ports import StageContext, open_stage


async def main() -> int:
    settings = load(EnrichSettings)
    async with (
        open_stage(Stage.ENRICH, settings, load_kafka()) as context,
        Transport(AddressPolicy(local=settings.local)) as transport,
    ):
        process_event = wired(context, settings, _desk(context, settings, transport))
        return await context.run(StageSpec(Stage.ENRICH, process_event, slots=settings.slots))


def _desk(context: StageContext, settings: EnrichSettings, transport: Transport) -> Desk | None:
    """The way to the desks of tenants in bearer mode, and to no others; None without the keys to it."""
    if settings.credential_ring is None:
        return None
    ring = settings.credential_ring
    accounts = StoredDeskAccounts(context.tenants, CredentialsToFetch(context.pool, ring))
    tokens = StoredAccessTokens(context.pool, ring, OF_BEARER_TENANTS)
    return ServiceDeskListing(DeskClient(transport, accounts, authentication=Authentication(transport, tokens=tokens)))


def wired(context: StageContext, settings: EnrichSettings, desk: Desk | None = None) -> Process:
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
    known_sources([source.name for source in knowledge.sources])
    restraint = Restraint(timedelta(seconds=settings.gather_edits_seconds), settings.notes_a_day)

    async def run(inputs: Input) -> Outcome:
        said = fingerprint(inputs.event)
        event = await fetched(inputs.event, desk)
        if not isinstance(event, TicketReceived):
            return event
        return await process(
            event,
            inputs.position,
            said,
            stores=stores,
            knowledge=knowledge,
            tenants=tenants,
            clock=clock,
            restraint=restraint,
        )

    return run


if __name__ == "__main__":
    exit_with(main)
