"""What went wrong in the week or waits now, each with the page of the handbook that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from infra.ops.report.rows import Rows, Troubles
from schemas.reasons import Reason

SOON = timedelta(days=14)
"""A webhook secret that is due within this time is told."""
_RUNBOOKS, _HANDBOOK = "infra/runbooks", "infra/handbook"
_OF_REASON = {
    Reason.BAD_SIGNATURE: f"{_RUNBOOKS}/TenantIsolationViolation.md",
    Reason.WRONG_PARTITION: f"{_RUNBOOKS}/TenantIsolationViolation.md",
    Reason.TENANT_MISMATCH: f"{_RUNBOOKS}/TenantIsolationViolation.md",
    Reason.CRASHES_WORKER: f"{_RUNBOOKS}/WorkerFailures.md",
    Reason.MODEL_REFUSED: f"{_RUNBOOKS}/ModelUnavailable.md",
    Reason.MODEL_UNAVAILABLE: f"{_RUNBOOKS}/ModelUnavailable.md",
    Reason.MODEL_RATE_LIMITED: f"{_RUNBOOKS}/ModelUnavailable.md",
    Reason.DESK_CREDENTIAL_REFUSED: f"{_HANDBOOK}/clients/desk-credentials.md",
    Reason.DATABASE_UNAVAILABLE: f"{_RUNBOOKS}/DatabaseConnectionIssues.md",
}


@dataclass(frozen=True, slots=True)
class Issue:
    """`count` is None for what isn't counted. `article` is a path in the repository."""

    kind: str
    what: str
    count: int | None
    article: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def issues(rows: Rows) -> tuple[Issue, ...]:
    """What is lost first, then what waits, what was incomplete, what was refused, and what is due."""
    troubles = rows.troubles
    return (
        *_lost(troubles),
        *_held(troubles),
        *_missing(troubles),
        *_refused(troubles),
        *_due(troubles, rows.made_at, rows.tenant_id),
    )


def _lost(troubles: Troubles) -> Iterator[Issue]:
    """Dead letters where Kafka told of them, else what PostgreSQL knows to have failed."""
    if troubles.dead_letters is None:
        for reason, count in _most(troubles.failures):
            yield Issue("failed", reason, count, _article(reason, "DeadLetters.md"))
        return
    for (stage, reason), count in _most(troubles.dead_letters):
        yield Issue("dead letter", f"{reason} at {stage}", count, _article(reason, "DeadLetters.md"))


def _held(troubles: Troubles) -> Iterator[Issue]:
    for (stage, reason), count in _most(troubles.held):
        yield Issue("held now", f"{reason} at {stage}", count, _article(reason, "TenantHeld.md"))


def _missing(troubles: Troubles) -> Iterator[Issue]:
    for (source, reason), count in _most(troubles.missing or {}):
        yield Issue("missing source", f"{source}: {reason}", count, f"{_RUNBOOKS}/LowQualityRatings.md")


def _refused(troubles: Troubles) -> Iterator[Issue]:
    for cause, count in _most(troubles.refused):
        yield Issue("refused webhook", cause, count, f"{_RUNBOOKS}/WebhookSignatureFailures.md")


def _due(troubles: Troubles, now: datetime, tenant_id: str) -> Iterator[Issue]:
    due = troubles.secret_due
    if due is None or due > now + SOON:
        return
    when = f"was due on {due:%Y-%m-%d}" if due <= now else f"is due on {due:%Y-%m-%d}"
    rotate = f"the webhook secret {when}: ticketstream tenant rotate-secret {tenant_id}"
    yield Issue("secret", rotate, None, f"{_HANDBOOK}/clients/secret-rotation.md")


def _most(counts: Any) -> list[tuple[Any, int]]:
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _article(reason: str, otherwise: str) -> str:
    known = {one.value: article for one, article in _OF_REASON.items()}
    return known.get(reason, f"{_RUNBOOKS}/{otherwise}")
