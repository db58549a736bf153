"""Writes `infra/handbook/schemas.md` from the Avro files: `make schemas`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.catalogue import CATALOGUE, SchemaVersion

_Avro = Mapping[str, Any]
PAGE = Path("infra/handbook/schemas.md")
_HEAD = """\
# Schemas

Made by `make schemas` from the Avro files in `schemas/avro`; a test fails while it isn't up to date. What is read most is
[EnhancementDelivered](#enhancementdelivered). How to read it, with examples that run: [Analysts](analysts.md).

## What you can rely on

- **Full-transitive compatibility.** Whoever reads with any version's schema can read what was written with any other, older or
  newer, for as long as the topic keeps it. A field is never removed, renamed or given another type or meaning; a new one has a
  default. A test holds every version against every other.
- **What may come**: further fields, and further values in texts that say "expect further values". Pass over what you don't know.
- **The bytes**: Confluent's wire format: one byte 0, the schema's id as 4 bytes big-endian, then Avro's binary form. Ids are fixed,
  the same in every installation, unless it has a registry of its own (`SCHEMA_REGISTRY_URL`), where ids are that registry's.
- **The registry**: `{internal address of ingest}/registry`, the Schema Registry REST API, read-only: `/subjects`,
  `/subjects/{topic}-value/versions/latest`, `/schemas/ids/{id}`.
- **At least once**: an event may come twice, with the same `event_id`; count it once. Order holds within a tenant.
- **Key and partition**: the key is the tenant's id; a tenant has one partition, of the same number in every topic.
- **Headers**: CloudEvents 1.0 (`ce_id`, `ce_type`, `ce_tenantid`, `ce_subject` the ticket's id, `ce_time`, …), `traceparent`,
  `signature`.
- Times are UTC in whole milliseconds (`timestamp-millis`); `string?` and the like may be null.
"""


@dataclass(frozen=True, slots=True)
class Field:
    """`name` with dots where it lies in a record within; `since` is the first version of the schema that has it."""

    name: str
    type: str
    default: str
    says: str
    since: int


def page(catalogue: Sequence[SchemaVersion] = CATALOGUE) -> str:
    """The whole page."""
    by_event: dict[type[Any], list[SchemaVersion]] = {}
    for version in sorted(catalogue, key=lambda one: one.version):
        by_event.setdefault(version.event, []).append(version)
    parts = [_HEAD, "\n| event | topic | subject | ids |\n|---|---|---|---|\n"]
    for versions in by_event.values():
        newest = versions[-1]
        ids = ", ".join(f"{one.schema_id} (version {one.version})" for one in versions)
        name = newest.event.__name__
        parts.append(f"| [{name}](#{name.lower()}) | `{newest.topic.value}` | `{newest.subject()}` | {ids} |\n")
    parts += [_section(versions) for versions in by_event.values()]
    return "".join(parts)


def _section(versions: Sequence[SchemaVersion]) -> str:
    newest = versions[-1]
    event = newest.event.__name__
    lines = [f"\n## {event}\n\n{_sentence(_says(newest.parsed).removeprefix(f'{event}: '))}\n"]
    files = ", ".join(f"[version {one.version}](../../schemas/avro/{one.file})" for one in versions)
    lines.append(
        f"\nTopic `{newest.topic.value}`, CloudEvents type `{newest.event_type}`, {files}, full-transitive compatibility.\n"
    )
    lines.append("\n| field | type | default | since version | says |\n|---|---|---|---|---|\n")
    lines += [
        f"| `{one.name}` | {one.type} | {one.default} | {one.since} | {one.says} |\n" for one in fields_of(versions)
    ]
    return "".join(lines)


def fields_of(versions: Sequence[SchemaVersion]) -> list[Field]:
    """The newest version's fields, those of records within it behind the one that holds them."""
    first: dict[str, int] = {}
    for version in reversed(versions):
        first |= {name: version.version for name, *_ in _flat(version.parsed, "", {})}
    return [
        Field(name, _type(field["type"]), _default(field), _says(field) or _says(inner or {}), first[name])
        for name, field, inner in _flat(versions[-1].parsed, "", {})
    ]


def _flat(record: Mapping[str, Any], prefix: str, named: dict[str, Any]) -> Iterator[tuple[str, _Avro, _Avro | None]]:
    """Each field under its whole name, with the record that it holds, if it holds one or several."""
    named[record["name"]] = record
    for field in record["fields"]:
        inner, many = _record_in(field["type"], named)
        yield prefix + field["name"], field, inner
        if inner is not None:
            yield from _flat(inner, f"{prefix}{field['name']}{'[]' if many else ''}.", named)


def _record_in(kind: Any, named: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The record that a field holds, and whether it holds several."""
    if isinstance(kind, list):
        (inner,) = [one for one in kind if one != "null"]
        return _record_in(inner, named)
    if isinstance(kind, str):
        return named.get(kind), False
    if kind["type"] == "array":
        return _record_in(kind["items"], named)[0], True
    return (kind, False) if kind["type"] == "record" else (None, False)


def _type(kind: Any) -> str:
    if isinstance(kind, list):
        (inner,) = [one for one in kind if one != "null"]
        return f"{_type(inner)}?" if "null" in kind else _type(inner)
    if isinstance(kind, str):
        return kind.rpartition(".")[2]
    if kind["type"] == "array":
        return f"array of {_type(kind['items'])}"
    if kind["type"] == "map":
        return f"map of {_type(kind['values'])}"
    return str(kind.get("logicalType") or kind.get("name", kind["type"])).rpartition(".")[2]


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    if isinstance(value, dict | list):
        return "empty" if not value else "its fields' defaults"
    return "null" if value is None else f"`{json.dumps(value)}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _says(of: Mapping[str, Any]) -> str:
    return " ".join(str(of.get("doc", "")).split()).replace("|", "&#124;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} is up to date\n")
