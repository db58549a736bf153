"""`/keys`, `/openapi.json` and the schema registry on the internal port."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from infra.runtime.keys.directory import ServiceKey
from infra.runtime.telemetry.internal_server import InternalServer
from ingest.health import checks
from ingest.openapi import OPERATIONS, document
from ingest.registry import Registry
from schemas.catalogue import CATALOGUE

Edge = Any
KEY = ServiceKey("ingest-0123456789ab", "ingest", ("tickets.received",), b"k" * 32, datetime(2026, 1, 1, tzinfo=UTC))


async def test_keys_are_served_and_kept_while_their_source_is_away(edge: Edge) -> None:
    edge.keys.away = True
    assert (await edge.request("GET", "/keys")).status == 503
    edge.keys.away, edge.keys.keys = False, [KEY]
    (key,) = (await edge.request("GET", "/keys")).json()["keys"]
    assert b64decode(key["public_key"]) == b"k" * 32
    assert (key["key_id"], key["service"], key["topics"]) == (KEY.key_id, "ingest", ["tickets.received"])
    assert (key["not_before"], key["not_after"]) == ("2026-01-01T00:00:00.000Z", None)
    edge.keys.away = True
    assert len((await edge.request("GET", "/keys")).json()["keys"]) == 1


async def test_openapi_names_every_route_and_no_other(edge: Edge) -> None:
    from ingest.app import public_app

    served = (await edge.request("GET", "/openapi.json")).json()
    assert served["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, methods in served["paths"].items() for method in methods}
    routes = {
        (route.method, route.resource.canonical)
        for route in public_app(edge.edge()).router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert described == routes


def test_every_reference_in_openapi_leads_somewhere_and_every_schema_is_one() -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    text = json.dumps(document())
    components = document()["components"]
    for part in text.split('"$ref": "#/components/')[1:]:
        kind, name = part.partition('"')[0].split("/")
        assert name in components[kind]
    for schema in components["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)


async def test_answers_are_as_openapi_says(edge: Edge) -> None:
    from jsonschema import Draft202012Validator

    def validator(name: str) -> Any:
        return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": document()["components"]})

    validator("Queued").validate((await edge.webhook()).json())
    validator("Duplicate").validate((await edge.webhook()).json())
    validator("Error").validate((await edge.webhook(b"[]", webhook_id="m2")).json())
    edge.keys.keys = [KEY]
    validator("Keys").validate((await edge.request("GET", "/keys")).json())
    validator("Webhook").validate({"request": {"id": "1", "subject": "s", "priority": {"name": "High"}}})
    assert not validator("Webhook").is_valid({"request": {"id": "1 2", "subject": "s"}})


@pytest.fixture
async def internal(edge: Edge) -> AsyncIterator[str]:
    server = InternalServer(
        checks=checks(edge.tenants, [f"127.0.0.1:{edge.port}"]), routes=Registry(prefix="test.").routes()
    )
    await server.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.port}"
    await server.stop()


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_the_registry_serves_every_schema_under_its_prefixed_subject(internal: str) -> None:
    _, subjects = await get(f"{internal}/registry/subjects")
    assert subjects == sorted({schema.subject("test.") for schema in CATALOGUE})
    for schema in CATALOGUE:
        subject = schema.subject("test.")
        _, versions = await get(f"{internal}/registry/subjects/{subject}/versions")
        assert schema.version in versions
        status, described = await get(f"{internal}/registry/subjects/{subject}/versions/{schema.version}")
        assert (status, described["id"], described["schema"]) == (200, schema.schema_id, schema.text)
        assert await get(f"{internal}/registry/schemas/ids/{schema.schema_id}") == (200, {"schema": schema.text})
        assert await get(f"{internal}/registry/schemas/ids/{schema.schema_id}/versions") == (
            200,
            [{"subject": subject, "version": schema.version}],
        )
    assert await get(f"{internal}/registry/schemas/types") == (200, ["AVRO"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("subjects/nothing/versions", 404, 40401),
        ("subjects/nothing/versions/1", 404, 40401),
        ("subjects/test.tickets.received-value/versions/99", 404, 40402),
        ("subjects/test.tickets.received-value/versions/x", 422, 42202),
        ("schemas/ids/1", 404, 40403),
        ("schemas/ids/x", 404, 40403),
        ("schemas/ids/1/versions", 404, 40403),
        ("associations/resources/-/tickets.received", 404, 40403),
    ],
)
async def test_what_the_registry_lacks_has_confluents_error_code(
    internal: str, path: str, status: int, code: int
) -> None:
    found, body = await get(f"{internal}/registry/{path}")
    assert (found, body["error_code"]) == (status, code)


async def test_the_registry_takes_nothing(internal: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{internal}/registry/subjects/test.tickets.received-value/versions"
        async with session.post(url, json={"schema": '"string"'}) as answer:
            assert answer.status == 405


async def test_confluents_own_reader_reads_our_events(internal: str) -> None:
    import asyncio

    from schemas.events import Ticket, TicketKind, TicketReceived
    from schemas.wire_format import Codec

    registry = pytest.importorskip("confluent_kafka.schema_registry")
    avro = pytest.importorskip("confluent_kafka.schema_registry.avro")
    serialization = pytest.importorskip("confluent_kafka.serialization")
    event = TicketReceived("e", "t", TicketKind.CREATED, Ticket("1", "s", "d"), datetime(2026, 1, 1, tzinfo=UTC))

    def read() -> Any:
        reader = avro.AvroDeserializer(registry.SchemaRegistryClient({"url": f"{internal}/registry"}))
        context = serialization.SerializationContext("test.tickets.received", serialization.MessageField.VALUE)
        return reader(Codec().encode(event), context)

    assert (await asyncio.to_thread(read))["ticket"]["ticket_id"] == "1"


async def test_readiness_waits_for_tenants_and_health_tells_what_is_away(edge: Edge, internal: str) -> None:
    assert (await get(f"{internal}/readyz"))[0] == 200
    assert (await get(f"{internal}/health"))[1]["status"] == "healthy"
    edge.tenants.age_seconds = 31.0
    status, health = await get(f"{internal}/health")
    assert (status, health["status"], health["checks"]["database"]["ok"]) == (200, "degraded", False)
    assert (await get(f"{internal}/readyz"))[0] == 200
    edge.tenants.loaded = False
    assert (await get(f"{internal}/readyz"))[0] == 503
