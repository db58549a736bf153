"""Runs deliver: the only place where its adapters are chosen."""

from __future__ import annotations

from infra.runtime.clock import SystemClock
from infra.runtime.kafka.client_settings import load_kafka
from infra.runtime.settings import load
from infra.runtime.stream.outcomes import Outcome
from infra.runtime.stream.record import Input
from infra.runtime.stream.runner import StageSpec, exit_with
from processors.deliver.feedback_links import SignedFeedbackLinks
from processors.deliver.ports import Ports
from processors.deliver.processor import process
from processors.deliver.rendering import NoteRenderer
from processors.deliver.settings import DeliverSettings
from schemas.topics import Stage
from sinks.postgres.credentials import DeskCredentials
from sinks.postgres.desk_access_tokens import StoredAccessTokens
from sinks.postgres.enhancements import Enhancements
from sinks.postgres.note_intents import NoteIntents
from sinks.servicedesk.accounts import StoredDeskAccounts
from sinks.servicedesk.addresses import AddressPolicy
from sinks.servicedesk.authentication import Authentication
from sinks.servicedesk.client import DeskClient
from sinks.servicedesk.notes import ServiceDeskNotes
from sinks.servicedesk.tickets import ServiceDeskTickets
from sinks.servicedesk.transport import Transport
from sinks.stage_ports import StageContext, open_stage


async def main() -> int:
    settings = load(DeliverSettings)
    async with (
        open_stage(Stage.DELIVER, settings, load_kafka()) as context,
        Transport(AddressPolicy(local=settings.local)) as transport,
    ):
        ports = wired(context, settings, transport)

        async def run(inputs: Input) -> Outcome:
            return await process(inputs.event, ports=ports)

        return await context.run(StageSpec(Stage.DELIVER, run, slots=settings.slots))


def wired(context: StageContext, settings: DeliverSettings, transport: Transport) -> Ports:
    """The adapters of this process."""
    clock, ring = SystemClock(), settings.credential_ring
    accounts = StoredDeskAccounts(context.tenants, DeskCredentials(context.pool, ring))
    authentication = Authentication(transport, tokens=StoredAccessTokens(context.pool, ring))
    client = DeskClient(transport, accounts, authentication=authentication)
    return Ports(
        tickets=ServiceDeskTickets(client),
        notes=ServiceDeskNotes(client),
        intents=NoteIntents(context.pool),
        enhancements=Enhancements(context.pool),
        renderer=NoteRenderer(SignedFeedbackLinks(settings.link_ring, settings.public_url, clock)),
        clock=clock,
        notes_a_day=settings.notes_a_day,
    )


if __name__ == "__main__":
    exit_with(main)
