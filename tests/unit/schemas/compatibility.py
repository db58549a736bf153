"""Whether what one schema writes can be read with another, by Avro's own resolution rules (Avro 1.12, "Schema Resolution")."""

from __future__ import annotations

from io import BytesIO
from itertools import permutations
from typing import Any

import fastavro

from tests.unit.schemas.generated import records


def unreadable(writer: Any, reader: Any) -> str | None:
    """Why some record of the writer's can't be read with the reader's schema, or loses a value that both know; None if all can."""
    written_with, read_with = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    for record in records(writer):
        buffer = BytesIO()
        fastavro.schemaless_writer(buffer, written_with, record, strict=True)
        buffer.seek(0)
        try:
            seen = fastavro.schemaless_reader(buffer, written_with, read_with)
        except Exception as error:  # fastavro raises a dozen kinds
            return f"{type(error).__name__}: {error}"
        if different := _difference(record, seen, ""):
            return f"{different} changes its value"
    return None


def disagreements(versions: dict[str, Any]) -> list[str]:
    """Full-transitive: every version read with every other, in both directions."""
    return [
        f"{reader} can't read what {writer} writes: {why}"
        for writer, reader in permutations(versions, 2)
        if (why := unreadable(versions[writer], versions[reader]))
    ]


def _difference(written: Any, read: Any, where: str) -> str | None:
    if isinstance(written, dict) and isinstance(read, dict):
        both = written.keys() & read.keys()
        return next(
            (found for key in sorted(both) if (found := _difference(written[key], read[key], f"{where}.{key}"))), None
        )
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        pairs = enumerate(zip(written, read, strict=True))
        return next((found for n, (a, b) in pairs if (found := _difference(a, b, f"{where}[{n}]"))), None)
    return None if written == read else where
