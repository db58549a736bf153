"""Our codec with somebody else's schema registry, spoken to over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from infra.runtime.kafka.schema_registry import SchemaRegistryError, codec_with
from schemas.events import FeedbackAggregated
from schemas.times import from_milliseconds, to_milliseconds
from schemas.topics import Topic
from schemas.wire_format import Codec, UnknownSchema
from tests.unit.infra.runtime.kafka.registry_server import AT, Registry


@pytest.fixture
async def registry() -> AsyncIterator[Registry]:
    async with Registry() as running:
        yield running


def aggregated() -> FeedbackAggregated:
    return FeedbackAggregated("e", "i", "msp-one", "7", 1, 1, 0, 0, from_milliseconds(to_milliseconds(AT)))


async def test_events_are_written_with_the_registrys_ids_and_read_with_either(registry: Registry) -> None:
    codec = await codec_with(registry.url, "stage-")
    value = codec.encode(aggregated())
    assert int.from_bytes(value[1:5], "big") == registry.ids["stage-feedback.aggregated-value"]
    assert codec.decode(value, Topic.FEEDBACK_AGGREGATED) == aggregated()
    assert codec.decode(Codec().encode(aggregated()), Topic.FEEDBACK_AGGREGATED) == aggregated()
    with pytest.raises(UnknownSchema):
        Codec().decode(value, Topic.FEEDBACK_AGGREGATED)


async def test_a_second_start_finds_the_same_ids(registry: Registry) -> None:
    first, second = await codec_with(registry.url), await codec_with(registry.url)
    assert first.encode(aggregated()) == second.encode(aggregated())


async def test_a_refusal_names_the_subject_and_the_variable(registry: Registry) -> None:
    registry.answer = web.Response(status=409, text=json.dumps({"error_code": 409, "message": "incompatible"}))
    with pytest.raises(SchemaRegistryError, match=r"SCHEMA_REGISTRY_URL: tickets\.received-value was refused \(409\)"):
        await codec_with(registry.url)


async def test_without_a_url_the_fixed_ids_are_written() -> None:
    assert int.from_bytes((await codec_with(None)).encode(aggregated())[1:5], "big") == 1006
