"""The Schema Registry REST API, read-only, on the internal port under `/registry`.

Enough for Confluent's deserializers, `kcat -r` and code generators. Source: Confluent, "Schema Registry API Reference".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from schemas.catalogue import BY_ID, CATALOGUE, SchemaVersion

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
SUBJECT_NOT_FOUND, VERSION_NOT_FOUND, SCHEMA_NOT_FOUND, INVALID_VERSION = 40401, 40402, 40403, 42202


class Registry:
    """`prefix` is the topics' prefix, part of every subject's name. `base` is where the API is mounted."""

    def __init__(self, *, prefix: str = "", base: str = "/registry") -> None:
        self._prefix, self._base = prefix, base
        self._subjects: dict[str, list[SchemaVersion]] = {}
        for schema in sorted(CATALOGUE, key=lambda schema: schema.version):
            self._subjects.setdefault(schema.subject(prefix), []).append(schema)

    def routes(self) -> Sequence[web.RouteDef]:
        base = self._base
        return [
            web.get(base, _root),
            web.get(f"{base}/", _root),
            web.get(f"{base}/subjects", self._list_subjects),
            web.get(f"{base}/subjects/{{subject}}/versions", self._versions),
            web.get(f"{base}/subjects/{{subject}}/versions/{{version}}", self._version),
            web.get(f"{base}/subjects/{{subject}}/versions/{{version}}/schema", self._version_schema),
            web.get(f"{base}/schemas/types", _types),
            web.get(f"{base}/schemas/ids/{{id}}", self._by_id),
            web.get(f"{base}/schemas/ids/{{id}}/schema", self._schema_by_id),
            web.get(f"{base}/schemas/ids/{{id}}/versions", self._versions_of_id),
            web.get(f"{base}/schemas/ids/{{id}}/subjects", self._subjects_of_id),
            web.get(f"{base}/config", _config),
            web.get(f"{base}/mode", _mode),
            web.route("*", f"{base}/{{rest:.*}}", _nothing_here),
        ]

    async def _list_subjects(self, _: web.Request) -> web.Response:
        return _json(sorted(self._subjects))

    async def _versions(self, request: web.Request) -> web.Response:
        found = self._subjects.get(request.match_info["subject"])
        return _json([schema.version for schema in found]) if found else _error(SUBJECT_NOT_FOUND, "Subject not found.")

    async def _version(self, request: web.Request) -> web.Response:
        found = self._find(request)
        return found if isinstance(found, web.Response) else _json(self._described(found))

    async def _version_schema(self, request: web.Request) -> web.Response:
        found = self._find(request)
        return found if isinstance(found, web.Response) else _json_text(found.text)

    async def _by_id(self, request: web.Request) -> web.Response:
        schema = _of_id(request)
        return _json({"schema": schema.text}) if schema else _error(SCHEMA_NOT_FOUND, "Schema not found")

    async def _schema_by_id(self, request: web.Request) -> web.Response:
        schema = _of_id(request)
        return _json_text(schema.text) if schema else _error(SCHEMA_NOT_FOUND, "Schema not found")

    async def _versions_of_id(self, request: web.Request) -> web.Response:
        schema = _of_id(request)
        if schema is None:
            return _error(SCHEMA_NOT_FOUND, "Schema not found")
        return _json([{"subject": schema.subject(self._prefix), "version": schema.version}])

    async def _subjects_of_id(self, request: web.Request) -> web.Response:
        schema = _of_id(request)
        return _json([schema.subject(self._prefix)]) if schema else _error(SCHEMA_NOT_FOUND, "Schema not found")

    def _find(self, request: web.Request) -> SchemaVersion | web.Response:
        found, asked = self._subjects.get(request.match_info["subject"]), request.match_info["version"]
        if not found:
            return _error(SUBJECT_NOT_FOUND, "Subject not found.")
        if asked in ("latest", "-1"):
            return found[-1]
        if not (asked.isascii() and asked.isdigit()):
            return _error(INVALID_VERSION, 'The version must be a number or "latest".', 422)
        for schema in found:
            if str(schema.version) == asked:
                return schema
        return _error(VERSION_NOT_FOUND, "Version not found.")

    def _described(self, schema: SchemaVersion) -> dict[str, Any]:
        subject = schema.subject(self._prefix)
        return {"subject": subject, "version": schema.version, "id": schema.schema_id, "schema": schema.text}


async def _root(_: web.Request) -> web.Response:
    return _json({})


async def _types(_: web.Request) -> web.Response:
    return _json(["AVRO"])


async def _config(_: web.Request) -> web.Response:
    return _json({"compatibilityLevel": "FULL_TRANSITIVE"})


async def _mode(_: web.Request) -> web.Response:
    return _json({"mode": "READONLY"})


async def _nothing_here(request: web.Request) -> web.Response:
    """What newer clients ask first (`/associations/…`) isn't there; anything that writes is refused."""
    if request.method in ("GET", "HEAD"):
        return _error(SCHEMA_NOT_FOUND, "Not found")
    return _error(40501, "This registry is read-only: schemas come with ticketstream's releases.", 405)


def _of_id(request: web.Request) -> SchemaVersion | None:
    asked = request.match_info["id"]
    return BY_ID.get(int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 10 else None


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type=CONTENT_TYPE)


def _json_text(text: str) -> web.Response:
    return web.Response(text=text, content_type=CONTENT_TYPE)


def _error(code: int, message: str, status: int = 404) -> web.Response:
    return _json({"error_code": code, "message": message}, status)
