"""The catalogue is what others have stored: ids, files and versions stay what they were."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files

import fastavro
import pytest
from fastavro.schema import to_parsing_canonical_form

from schemas import events
from schemas.catalogue import BY_ID, BY_TOPIC, CATALOGUE, NEWEST, SchemaVersion
from schemas.topics import Topic

PUBLISHED = {
    1001: ("TicketReceived", 1, "b82c036fe1e6d8b4"),
    1002: ("TicketEnriched", 1, "f45250266b8d812c"),
    1003: ("EnhancementSynthesized", 1, "70f8a3eca1b59353"),
    1004: ("EnhancementDelivered", 1, "43311817f10a4d18"),
    1005: ("FeedbackSubmitted", 1, "5cac0aaad1043392"),
    1006: ("FeedbackAggregated", 1, "3822278def3ea9c4"),
    1007: ("DeadLetter", 1, "3cccb8258badc11d"),
}
"""Id: event, version, first 16 hex digits of the SHA-256 of the schema's parsing canonical form (Avro 1.12). A line here never
changes: records with that id lie in topics. What must change becomes a new file with a new id, and a line more."""


@pytest.mark.parametrize("schema_id", PUBLISHED)
def test_a_published_schema_stays_what_it_was(schema_id: int) -> None:
    schema = BY_ID[schema_id]
    form = to_parsing_canonical_form(fastavro.parse_schema(json.loads(schema.text)))
    seen = (schema.event.__name__, schema.version, sha256(form.encode()).hexdigest()[:16])
    assert seen == PUBLISHED[schema_id]


def test_every_schema_is_listed_here_and_has_an_id_of_its_own() -> None:
    assert [schema.schema_id for schema in CATALOGUE] == list(PUBLISHED)
    assert min(PUBLISHED) == 1001
    assert len({schema.file for schema in CATALOGUE}) == len(CATALOGUE)


def test_every_shipped_file_is_in_the_catalogue() -> None:
    shipped = {file.name for file in (files("schemas") / "avro").iterdir()}
    assert shipped == {schema.file for schema in CATALOGUE}


def test_every_topic_has_an_event_and_every_event_one_topic() -> None:
    assert set(BY_TOPIC) == set(Topic)
    assert {schema.topic for schema in CATALOGUE if schema.event is events.DeadLetter} == {Topic.DEAD_LETTERS}
    for event, newest in NEWEST.items():
        versions = sorted(schema.version for schema in CATALOGUE if schema.event is event)
        assert versions == list(range(1, len(versions) + 1)) and newest.version == versions[-1]


@pytest.mark.parametrize("schema", CATALOGUE, ids=lambda schema: schema.file)
def test_names_are_those_of_the_event(schema: SchemaVersion) -> None:
    text = json.loads(schema.text)
    assert (text["name"], text["namespace"]) == (schema.event.__name__, "com.ticketstream")
    assert schema.event_type == f"com.ticketstream.{schema.event.__name__}.v1"
    assert schema.subject("blue-") == f"blue-{schema.topic}-value"
