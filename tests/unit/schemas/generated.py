"""Records by an Avro schema, without looking at our dataclasses: every branch of every union, empty and full arrays and maps."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

VARIANTS = 12
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_OF = {
    "kind": ("created", "updated", "closed", "reconciled", "replayed", "announced"),
    "writer": ("model", "builtin"),
    "outcome": ("posted", "dropped"),
    "feedback_type": ("thumbs_up", "thumbs_down", "rating"),
}
"""Fields that are strings in Avro and enums in Python."""
TEXTS = ("", "T-1", "Zeile eins\nzwei", "日本語 ✓ \N{GRINNING FACE}", "x" * 300)


def records(schema: Any, *, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Deterministic; variant n takes branch n of each union (modulo), and n % 3 items of each array and map."""
    for variant in range(VARIANTS):
        yield Maker(schema, random.Random(f"{seed}/{variant}"), variant).record()


class Maker:
    def __init__(self, schema: Any, chance: random.Random, variant: int) -> None:
        self._schema, self._chance, self._variant = schema, chance, variant
        self._named: dict[str, Any] = {}

    def record(self) -> dict[str, Any]:
        made = self._value(self._schema, "")
        assert isinstance(made, dict)
        return made

    def _value(self, schema: Any, name: str) -> Any:
        if isinstance(schema, list):
            return self._value(schema[self._variant % len(schema)], name)
        if isinstance(schema, str):
            return self._value(self._named[schema], name) if schema in self._named else self._simple(schema, name)
        if schema["type"] == "record":
            self._named[schema["name"]] = schema
            return {field["name"]: self._value(field["type"], field["name"]) for field in schema["fields"]}
        if schema["type"] == "array":
            return [self._value(schema["items"], name) for _ in range(self._variant % 3)]
        if schema["type"] == "map":
            return {f"key{n}": self._value(schema["values"], name) for n in range(self._variant % 3)}
        if schema.get("logicalType") == "timestamp-millis":
            return EPOCH + timedelta(milliseconds=self._chance.randrange(4_000_000_000_000))
        return self._value(schema["type"], name)

    def _simple(self, kind: str, name: str) -> Any:
        match kind:
            case "null":
                return None
            case "boolean":
                return self._variant % 2 == 1
            case "int" | "long":
                return self._chance.choice((0, 1, -1, 2**31 - 1, self._chance.randrange(10_000)))
            case "float" | "double":
                return self._chance.choice((0.0, -2.5, 1e9, float(self._chance.randrange(1000))))
            case "bytes":
                return self._chance.randbytes(self._variant)
            case "string":
                return self._chance.choice(ONE_OF.get(name, TEXTS))
        raise AssertionError(f"a schema uses {kind!r}, which this generator doesn't know: teach it")
