"""What checks find, and what follows from it for the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

OPTIONAL = frozenset({"alerts"})
"""Checks that leave the whole healthy where they can't be made from here: the others look at the same things themselves."""


class Status(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"  # nothing is seen to be wrong, and something needed could not be seen


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` is None where it can't be known from here. `detail` in words; `next_command` is what to run then, or to do."""

    ok: bool | None
    detail: str
    next_command: str = ""

    @property
    def mark(self) -> str:
        return {True: "✓", False: "✗", None: "–"}[self.ok]

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "detail": self.detail, "next": self.next_command or None}


def well(detail: str) -> Finding:
    return Finding(True, detail)


def wrong(detail: str, next_command: str) -> Finding:
    return Finding(False, detail, next_command)


def not_known(detail: str, next_command: str = "") -> Finding:
    return Finding(None, detail, next_command)


@dataclass(frozen=True, slots=True)
class Health:
    """All findings by the check's name, in the order in which a person reads them."""

    checks: Mapping[str, Finding]

    @property
    def status(self) -> Status:
        if any(found.ok is False for found in self.checks.values()):
            return Status.UNHEALTHY
        if any(found.ok is None for name, found in self.checks.items() if name not in OPTIONAL):
            return Status.UNKNOWN
        return Status.HEALTHY

    def as_json(self) -> dict[str, Any]:
        return {"status": self.status.value, "checks": {name: found.as_json() for name, found in self.checks.items()}}

    def as_text(self) -> str:
        """A line a check, and below what is wrong the next command; the whole in the last line."""
        width = max((len(name) for name in self.checks), default=0)
        lines = []
        for name, found in self.checks.items():
            head, *more = found.detail.split("\n")
            lines.append(f"{found.mark} {name:<{width}}  {head}")
            lines += [f"{'':<{width + 4}}{line}" for line in more]
            if found.next_command:
                lines.append(f"{'':<{width + 4}}next: {found.next_command}")
        return "\n".join([*lines, self._last_line()])

    def _last_line(self) -> str:
        failed = [name for name, found in self.checks.items() if found.ok is False]
        unseen = [name for name, found in self.checks.items() if found.ok is None]
        said = [f"see {', '.join(failed)}"] if failed else []
        said += [f"not known: {', '.join(unseen)}"] if unseen else []
        return self.status.value + (f" ({'; '.join(said)})" if said else "")
