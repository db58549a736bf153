"""`/openapi.json`, made from the commands themselves: what stands there can't differ from what is run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import click

from infra.ops.cli.rights import right_to
from infra.ops.cli.served import Kind, Served, parameters_of

_FILE = {
    "type": "object",
    "required": ["name", "base64"],
    "properties": {"name": {"type": "string"}, "base64": {"type": "string", "contentEncoding": "base64"}},
}
_FOLDER = {
    "type": "object",
    "required": ["name", "files"],
    "properties": {
        "name": {"type": "string"},
        "files": {"type": "object", "additionalProperties": {"type": "string", "contentEncoding": "base64"}},
    },
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "cure": {"type": "string"},
        "stderr": {"type": "string"},
        "exit": {"type": "integer"},
    },
}
_ANSWERS = {
    "200": "Done. The command's object.",
    "400": "Wrong use: a parameter is missing, unknown or can't be (exit code 2).",
    "401": "No valid operator token.",
    "403": "The person may not do that. Counted and audited.",
    "409": "The command could not do it (exit code 1). Where it made an object all the same, the object.",
    "413": "The body, or the result in one piece, is too large.",
    "429": "Too many wrong tokens from this address.",
    "503": "Too many commands run, or PostgreSQL is away. Retry-After says when to try again.",
}
FREE_PATH = "/api/v1/commands"


def document(served: Mapping[str, click.Command]) -> dict[str, Any]:
    paths: dict[str, Any] = {
        FREE_PATH: {
            "get": {
                "operationId": "commands",
                "summary": "The commands that are served",
                "security": [{"operatorToken": []}],
                "responses": {"200": {"description": "Name, help and least role of each."}},
            }
        }
    }
    for path, command in sorted(served.items()):
        paths[f"{FREE_PATH}/{path.replace(' ', '/')}"] = {"post": _operation(path, command)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ticketstream console",
            "version": "1",
            "description": "Every operator's command as HTTP, under the caller's own operator token: the same rights, reasons and "
            "audit as on the command line.",
        },
        "components": {
            "securitySchemes": {
                "operatorToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "ticketstream token create --person",
                }
            },
            "schemas": {"Error": _ERROR},
        },
        "paths": paths,
    }


def _operation(path: str, command: click.Command) -> dict[str, Any]:
    parameters, right = parameters_of(path, command), right_to(path)
    needed = [one.name for one in parameters if one.parameter.required]
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {one.name: _schema(one) for one in parameters},
    }
    if needed:
        schema["required"] = needed
    return {
        "operationId": path.replace(" ", "_").replace("-", "_"),
        "summary": command.get_short_help_str(200),
        "description": inspect.cleandoc(command.help or ""),
        "x-role": right.role.value if right.role else None,
        "x-tenants": right.reach.value,
        **({"x-beyond": right.beyond} if right.beyond else {}),
        "security": [{"operatorToken": []}],
        "requestBody": {"required": bool(needed), "content": {"application/json": {"schema": schema}}},
        "responses": {status: _response(status, text) for status, text in _ANSWERS.items()},
    }


def _response(status: str, text: str) -> dict[str, Any]:
    if status != "200":
        schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
        return {"description": text, "content": {"application/json": {"schema": schema}}}
    lines = {
        "application/x-ndjson": {
            "schema": {"type": "string", "description": 'A line for each piece, {"exit"} at last.'}
        }
    }
    return {"description": text, "content": {"application/json": {"schema": {"type": "object"}}, **lines}}


def _schema(one: Served) -> dict[str, Any]:
    found = _single(one)
    if one.several:
        found = {"type": "array", "items": found}
    told = getattr(one.parameter, "help", None)
    if told:
        found["description"] = told
    return found


def _single(one: Served) -> dict[str, Any]:
    if one.kind is Kind.FLAG:
        return {"type": "boolean"}
    if one.kind is Kind.JSON:
        return {"type": ["boolean", "string"], "description": "Always asked for; a name has it among `files` instead."}
    if one.kind is Kind.FILE:
        return dict(_FILE)
    if one.kind is Kind.FILE_OR_FOLDER:
        return {"anyOf": [_FILE, _FOLDER]}
    if one.kind.is_output:
        return {"type": "string", "description": "A name; what the command makes comes back as `files`."}
    if one.value_file:
        return {"anyOf": [{"type": "string"}, {**_FILE, "description": f"For {one.value_file}FILE."}]}
    return _text(one.parameter.type)


def _text(kind: click.ParamType) -> dict[str, Any]:
    if isinstance(kind, click.Choice):
        return {"enum": list(kind.choices)}
    if isinstance(kind, click.IntRange | click.FloatRange):
        found: dict[str, Any] = {"type": "integer" if isinstance(kind, click.IntRange) else "number"}
        bounds = (("exclusiveMinimum" if kind.min_open else "minimum", kind.min), ("maximum", kind.max))
        return found | {name: value for name, value in bounds if value is not None}
    named = {"integer": "integer", "float": "number", "boolean": "boolean"}.get(kind.name, "string")
    return {"type": named}
