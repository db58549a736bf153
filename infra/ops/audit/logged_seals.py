"""The seals that the sealer logged, from a file of its JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from infra.ops.cli.failure import WrongUse

EVENT = "Audit hour sealed"

Logged = Mapping[str, Mapping[datetime, bytes]]
"""Digests of seals by tenant and hour."""


def read_logged(file: Path) -> Logged:
    """Other lines are passed over. Raises WrongUse where there is no seal at all."""
    found: dict[str, dict[datetime, bytes]] = {}
    with file.open("rb") as lines:
        for line in lines:
            seal = _seal(line)
            if seal is not None:
                found.setdefault(seal[0], {})[seal[1]] = seal[2]
    if not found:
        raise WrongUse(f"{file} holds no seal", f"give the sealer's log: its lines say {EVENT!r}")
    return found


def _seal(line: bytes) -> tuple[str, datetime, bytes] | None:
    try:
        fields: Any = orjson.loads(line)
        if not isinstance(fields, dict) or fields.get("event") != EVENT:
            return None
        return str(fields["tenant_id"]), datetime.fromisoformat(fields["hour"]), bytes.fromhex(fields["seal"])
    except (ValueError, KeyError, TypeError):
        return None
