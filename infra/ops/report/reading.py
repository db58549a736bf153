"""Reads the rows of a review: figures from PostgreSQL, what went wrong from Kafka, the edge's figures from Prometheus. What can't
be asked is said, and the review is made without it; only PostgreSQL must answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from infra.ops.lag.holds import held_events
from infra.ops.onboarding.refusal_causes import cause
from infra.ops.replay.spans import KafkaSilent
from infra.ops.report.kafka_troubles import KafkaTroubles
from infra.ops.report.prometheus import Prometheus
from infra.ops.report.rows import EdgeFigures, Rows, Troubles, WeekFigures, WorstNote
from infra.ops.report.week import Week
from infra.runtime.postgres.pool import Pool
from processors.synthesize.answer import Answer
from schemas.times import rfc3339
from sinks.postgres.period_figures import PeriodFigures, RatedNote
from sinks.postgres.webhook_refusals import MOST_OF_A_TENANT, WebhookRefusals
from sinks.postgres.webhook_secrets import known_secrets

MOST_WORST, MOST_CATEGORIES, MOST_COMMENTS = 10, 15, 2000
ENRICHED_KEPT, LETTERS_KEPT = timedelta(days=14), timedelta(days=30)
"""How long the topics keep what is asked of them."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """`weeks` of trend before the week itself. `text`: with comments and notes' texts, which are content."""

    week: Week
    weeks: int = 8
    text: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """`kafka` and `prometheus` are None where there is none to ask."""

    pool: Pool
    kafka: KafkaTroubles | None = None
    prometheus: Prometheus | None = None
    now: Callable[[], datetime] = _now


async def read_rows(sources: Sources, tenant_id: str, partition: int, asked: Asked) -> Rows:
    """Raises PostgresUnavailable."""
    return await _Reading(sources, tenant_id, partition, asked, sources.now()).rows()


class _Reading:
    """One tenant's."""

    def __init__(self, sources: Sources, tenant_id: str, partition: int, asked: Asked, now: datetime) -> None:
        self._sources, self._tenant_id, self._partition, self._asked, self._now = (
            sources,
            tenant_id,
            partition,
            asked,
            now,
        )
        self._figures = PeriodFigures(sources.pool, tenant_id)
        self._period = asked.week.period
        self._unknown: list[str] = []

    async def rows(self) -> Rows:
        period, text = self._period, self._asked.text
        worst = await self._figures.worst_notes(period, MOST_WORST)
        troubles, missing = await self._troubles([one.input_id for one in worst if one.input_id])
        return Rows(
            tenant_id=self._tenant_id,
            made_at=self._now,
            weeks=await self._weeks(),
            worst=await self._worst(worst, missing),
            categories=tuple(await self._figures.by_category(period, MOST_CATEGORIES)),
            comments=tuple(await self._figures.comments(period, MOST_COMMENTS)) if text else None,
            troubles=troubles,
            unknown=tuple(self._unknown),
        )

    async def _weeks(self) -> tuple[WeekFigures, ...]:
        """Those before anything is known of the tenant are left out."""
        weeks = [self._asked.week.before(number) for number in range(self._asked.weeks, -1, -1)]
        periods = [week.period for week in weeks]
        enhancements, feedback = await self._figures.enhancements(periods), await self._figures.feedback(periods)
        edge = [await self._edge(week) for week in weeks]
        found = [WeekFigures(*one) for one in zip(weeks, enhancements, feedback, edge, strict=True)]
        if self._sources.prometheus is None:
            self._unknown.append("how the edge answered, and the backlog: TICKETSTREAM_PROMETHEUS_URL is not set")
        elif self._sources.prometheus.silent:
            self._unknown.append(f"how the edge answered, and the backlog: {self._sources.prometheus.silent}")
        first = next((number for number, one in enumerate(found) if _has_data(one)), len(found) - 1)
        return tuple(found[first:])

    async def _edge(self, week: Week) -> EdgeFigures:
        if self._sources.prometheus is None:
            return EdgeFigures()
        return await self._sources.prometheus.figures(self._tenant_id, week, self._now)

    async def _worst(
        self, worst: Sequence[RatedNote], missing: Mapping[str, tuple[str, ...]] | None
    ) -> tuple[WorstNote, ...]:
        inputs = [one.input_id for one in worst if one.input_id]
        stored = await self._figures.answers(inputs) if self._asked.text and inputs else {}
        return tuple(
            WorstNote(
                note if self._asked.text else replace(note, comments=()),
                missing.get(note.input_id) if missing is not None and note.input_id else None,
                _text(stored.get(note.input_id or "")),
            )
            for note in worst
        )

    async def _troubles(self, asked: Sequence[str]) -> tuple[Troubles, Mapping[str, tuple[str, ...]] | None]:
        secrets = await known_secrets(self._sources.pool, self._tenant_id, None)
        held = await held_events(self._sources.pool, tenant_id=self._tenant_id)
        troubles = Troubles(
            failures=await self._figures.failures(self._period),
            refused=await self._refused(),
            held=Counter((one["stage"], one["reason"]) for one in held),
            secret_due=secrets[0].due if secrets else None,
        )
        if self._sources.kafka is None:
            self._unknown.append("sources that were missing: Kafka was not asked")
            return troubles, None
        try:
            return await self._of_kafka(self._sources.kafka, troubles, asked)
        except KafkaSilent as error:
            self._unknown.append(f"dead letters, and sources that were missing: {error}")
            return troubles, None

    async def _of_kafka(
        self, kafka: KafkaTroubles, troubles: Troubles, asked: Sequence[str]
    ) -> tuple[Troubles, Mapping[str, tuple[str, ...]] | None]:
        where = (self._tenant_id, self._partition, self._period)
        if self._kept(LETTERS_KEPT, "dead letters other than failed enhancements"):
            troubles = replace(troubles, dead_letters=await kafka.dead_letters(*where))
        if not self._kept(ENRICHED_KEPT, "sources that were missing"):
            return troubles, None
        missing = await kafka.missing(*where, asked)
        return replace(troubles, missing=missing.counts), missing.of_event

    def _kept(self, days: timedelta, what: str) -> bool:
        """Whether the whole week is."""
        if self._period.since >= self._now - days:
            return True
        self._unknown.append(f"{what}: their topic keeps {days.days} days")
        return False

    async def _refused(self) -> Counter[str]:
        refusals = await WebhookRefusals(self._sources.pool).list(self._tenant_id)
        if len(refusals) == MOST_OF_A_TENANT and refusals[-1].at >= self._period.since:
            oldest = rfc3339(refusals[-1].at, "seconds")
            self._unknown.append(f"webhooks that were refused before {oldest}: the last {MOST_OF_A_TENANT} are kept")
        found = Counter[str]()
        for one in refusals:
            if self._period.since <= one.at < self._period.until:
                found[cause(one)] += one.times
        return found


def _has_data(one: WeekFigures) -> bool:
    done = one.enhancements
    return bool(done.succeeded + done.failed + done.dropped + done.pending + one.feedback.answers)


def _text(stored: str | None) -> str | None:
    try:
        return Answer.from_json(stored).written.text if stored else None
    except (ValueError, KeyError, TypeError):  # of another release
        return None
