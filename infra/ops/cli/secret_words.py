"""What is said of a tenant's webhook secrets: which one its desk uses, and when the current one is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from schemas.times import rfc3339

if TYPE_CHECKING:
    from sinks.postgres.webhook_secrets import KnownSecret


class InUse(StrEnum):
    """Which secret the desk signs with, as far as the edges noted."""

    NEW = "new"
    OLD = "old"
    BOTH = "both"
    NONE = "none"


def in_use(valid: Sequence[KnownSecret]) -> InUse:
    """Of the valid ones, the current first. `both` where the old one was used after the new one's first use: not all senders of
    the desk have the new one."""
    new, old = (valid[0] if valid else None), (valid[1] if len(valid) > 1 else None)
    if old is None or old.last_used_at is None:
        return InUse.NEW if new and new.last_used_at else InUse.NONE
    if new is None or new.first_used_at is None:
        return InUse.OLD
    return InUse.BOTH if old.last_used_at > new.first_used_at else InUse.NEW


def said_of_use(valid: Sequence[KnownSecret]) -> str:
    """One line: which secret the desk uses, and what becomes of the old one."""
    if not valid:
        return "there is no secret"
    new, old = valid[0], (valid[1] if len(valid) > 1 else None)
    ends = f"; the old one ends {day(old.valid_until)}" if old else ""
    which = {
        InUse.NONE: "none since uses are noted",
        InUse.NEW: f"the {'new' if old else 'current'} one since {day(new.first_used_at)}, last {day(new.last_used_at)}",
        InUse.OLD: f"still the old one, last {day(old.last_used_at if old else None)}",
        InUse.BOTH: f"both, the new one since {day(new.first_used_at)}, the old one last {day(old.last_used_at if old else None)}",
    }
    return which[in_use(valid)] + ends


def said_of_due(valid: Sequence[KnownSecret], now: datetime) -> str:
    """The day, marked where it is past."""
    if not valid:
        return ""
    due = valid[0].due
    return f"{due:%Y-%m-%d}{' overdue' if due < now else ''}"


def secret_json(known: KnownSecret) -> dict[str, Any]:
    """What `--json` tells of one secret; never the secret."""
    return {
        "fingerprint": known.fingerprint,
        "valid_from": _json(known.valid_from),
        "valid_until": _json(known.valid_until),
        "due": _json(known.due),
        "first_used_at": _json(known.first_used_at),
        "last_used_at": _json(known.last_used_at),
        "uses": known.uses,
    }


def secrets_json(valid: Sequence[KnownSecret], now: datetime) -> dict[str, Any]:
    """A tenant's secrets among what is shown of it, the current one first."""
    return {
        "webhook_secret_due": _json(valid[0].due) if valid else None,
        "webhook_secret_overdue": bool(valid) and valid[0].due < now,
        "webhook_secret_in_use": in_use(valid).value,
        "webhook_secret_use": said_of_use(valid),
        "webhook_secrets": [secret_json(known) for known in valid],
    }


def day(at: datetime | None) -> str:
    """In UTC, to the second."""
    return f"{rfc3339(at, 'seconds').replace('T', ' ').removesuffix('Z')} UTC" if at else "never"


def _json(at: datetime | None) -> str | None:
    return rfc3339(at, "seconds") if at else None
