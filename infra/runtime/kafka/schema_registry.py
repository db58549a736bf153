"""Someone else's schema registry (`SCHEMA_REGISTRY_URL`): our schemas are looked up or registered there, and its ids are written.

Without one the fixed ids of the package are used, and ingest serves them. Source: Confluent Schema Registry API, *Subjects*.
"""

from __future__ import annotations

import aiohttp

from schemas.catalogue import CATALOGUE, SchemaVersion
from schemas.wire_format import Codec

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)


class SchemaRegistryError(Exception):
    """The registry can't be reached or refuses a schema; the text says which, and what to do."""


async def codec_with(url: str | None, prefix: str = "") -> Codec:
    """A codec that writes the registry's ids and reads both its and ours. Without a URL: our fixed ids."""
    if not url:
        return Codec()
    registered: dict[int, int] = {}
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        for schema in sorted(CATALOGUE, key=lambda schema: schema.version):
            registered[await _register(session, url.rstrip("/"), schema, prefix)] = schema.schema_id
    return Codec(registered=registered, writes_as={ours: theirs for theirs, ours in registered.items()})


async def _register(session: aiohttp.ClientSession, url: str, schema: SchemaVersion, prefix: str) -> int:
    """Registering the same schema again returns the id that it has."""
    subject = schema.subject(prefix)
    try:
        async with session.post(
            f"{url}/subjects/{subject}/versions", json={"schema": schema.text}, headers={"Content-Type": CONTENT_TYPE}
        ) as answer:
            body = await answer.json(content_type=None)
            if answer.status != 200:
                raise SchemaRegistryError(
                    f"SCHEMA_REGISTRY_URL: {subject} was refused ({answer.status}): {str(body)[:300]}"
                )
            return int(body["id"])
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise SchemaRegistryError(f"SCHEMA_REGISTRY_URL: {url} gives no usable answer: {error!r}") from error
