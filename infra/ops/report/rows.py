"""What a review is made of: rows as they were read, for planting in tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from infra.ops.report.week import Week
from sinks.postgres.period_figures import CategoryFeedback, Comment, EnhancementFigures, FeedbackFigures, RatedNote


@dataclass(frozen=True, slots=True)
class EdgeFigures:
    """Of a week, from Prometheus; None where it doesn't know. The edge's are those of all tenants together: p95 seconds to answer a
    webhook, and the share of requests that ended with 5xx. `backlog` is the tenant's highest number of events waiting."""

    webhook_p95_seconds: float | None = None
    error_rate: float | None = None
    backlog: float | None = None


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """One week's."""

    week: Week
    enhancements: EnhancementFigures
    feedback: FeedbackFigures
    edge: EdgeFigures = EdgeFigures()


@dataclass(frozen=True, slots=True)
class WorstNote:
    """`missing` are the sources that gave nothing for it, None where that isn't known any more; `text` is the note's, None where it
    isn't known or wasn't asked for."""

    note: RatedNote
    missing: tuple[str, ...] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Troubles:
    """What went wrong in the week, counted; None where a source didn't tell. Dead letters by stage and reason, sources that were
    missing by name and reason, refused webhooks by likely cause; what is held now by stage and reason; when the webhook secret is
    due."""

    failures: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Mapping[tuple[str, str], int] | None = None
    missing: Mapping[tuple[str, str], int] | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[tuple[str, str], int] = field(default_factory=dict)
    secret_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """`weeks` end with the week of the review. `comments` is None where they weren't asked for. `unknown` says in a line each what
    could not be asked."""

    tenant_id: str
    made_at: datetime
    weeks: tuple[WeekFigures, ...]
    worst: tuple[WorstNote, ...] = ()
    categories: tuple[CategoryFeedback, ...] = ()
    comments: tuple[Comment, ...] | None = None
    troubles: Troubles = Troubles()
    unknown: tuple[str, ...] = ()

    @property
    def this(self) -> WeekFigures:
        return self.weeks[-1]
