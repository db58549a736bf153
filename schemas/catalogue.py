"""Every version of every event's Avro schema, with its fixed id.

Ids are part of the wire format and never change: a new version gets the next free id and a new file, and must be compatible
with all earlier ones in both directions (a test holds every pair against each other).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro

from schemas import events
from schemas.avro_writer import Write, writer_for
from schemas.topics import Topic


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One version of one event's schema. `text` is the file as it is served to registries' clients."""

    schema_id: int
    version: int
    event: type[Any]
    topic: Topic
    file: str

    @property
    def text(self) -> str:
        return _text(self.file)

    @property
    def parsed(self) -> Any:
        return _parsed(self.file)

    @property
    def write(self) -> Write:
        """Appends an event of this version; see `schemas.avro_writer` for what it raises."""
        return _writer(self.file)

    def subject(self, prefix: str = "") -> str:
        """By Confluent's TopicNameStrategy."""
        return f"{self.topic.named(prefix)}-value"

    @property
    def event_type(self) -> str:
        """The CloudEvents type; its number is that of the event's meaning, not of the schema's version."""
        return f"com.ticketstream.{self.event.__name__}.v1"


CATALOGUE: tuple[SchemaVersion, ...] = (
    SchemaVersion(1001, 1, events.TicketReceived, Topic.TICKETS_RECEIVED, "ticket_received.v1.avsc"),
    SchemaVersion(1002, 1, events.TicketEnriched, Topic.TICKETS_ENRICHED, "ticket_enriched.v1.avsc"),
    SchemaVersion(
        1003, 1, events.EnhancementSynthesized, Topic.ENHANCEMENTS_SYNTHESIZED, "enhancement_synthesized.v1.avsc"
    ),
    SchemaVersion(1004, 1, events.EnhancementDelivered, Topic.ENHANCEMENTS_DELIVERED, "enhancement_delivered.v1.avsc"),
    SchemaVersion(1005, 1, events.FeedbackSubmitted, Topic.FEEDBACK_SUBMITTED, "feedback_submitted.v1.avsc"),
    SchemaVersion(1006, 1, events.FeedbackAggregated, Topic.FEEDBACK_AGGREGATED, "feedback_aggregated.v1.avsc"),
    SchemaVersion(1007, 1, events.DeadLetter, Topic.DEAD_LETTERS, "dead_letter.v1.avsc"),
)

BY_ID: dict[int, SchemaVersion] = {schema.schema_id: schema for schema in CATALOGUE}
NEWEST: dict[type[Any], SchemaVersion] = {schema.event: schema for schema in sorted(CATALOGUE, key=lambda s: s.version)}
BY_TOPIC: dict[Topic, SchemaVersion] = {schema.topic: schema for schema in NEWEST.values()}


@cache
def _text(file: str) -> str:
    return (files("schemas") / "avro" / file).read_text(encoding="utf-8")


@cache
def _parsed(file: str) -> Any:
    return fastavro.parse_schema(json.loads(_text(file)))


@cache
def _writer(file: str) -> Write:
    return writer_for(_parsed(file))
