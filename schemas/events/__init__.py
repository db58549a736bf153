"""The events that flow through the topics, a frozen dataclass each, and the catalogue that ties each to its Avro schema."""

from schemas.events.dead_letter import DeadLetter, Header
from schemas.events.delivered import DeliveryOutcome, EnhancementDelivered, StepTimes
from schemas.events.enriched import ContextItem, MissingSource, Source, TicketEnriched
from schemas.events.event import Event
from schemas.events.feedback import FeedbackAggregated, FeedbackSubmitted, FeedbackType
from schemas.events.received import TicketKind, TicketReceived
from schemas.events.synthesized import Citation, EnhancementSynthesized, Usage, Writer
from schemas.events.ticket import Requester, Ticket

__all__ = [
    "Citation",
    "ContextItem",
    "DeadLetter",
    "DeliveryOutcome",
    "EnhancementDelivered",
    "EnhancementSynthesized",
    "Event",
    "FeedbackAggregated",
    "FeedbackSubmitted",
    "FeedbackType",
    "Header",
    "MissingSource",
    "Requester",
    "Source",
    "StepTimes",
    "Ticket",
    "TicketEnriched",
    "TicketKind",
    "TicketReceived",
    "Usage",
    "Writer",
]
