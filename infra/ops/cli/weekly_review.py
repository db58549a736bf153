"""What `ticketstream report` does, from what was asked to a document, with what is refused said in a line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import click

from infra.ops.analysts.out_file import out_file
from infra.ops.cli.delivered_notes import kafka_failure
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.output import Output
from infra.ops.cli.running import run_async
from infra.ops.cli.sight import Sight
from infra.ops.cli.surroundings import Surroundings
from infra.ops.leaving.package import NoPlace
from infra.ops.onboarding.edge_checks import PROMETHEUS
from infra.ops.replay.opening import Opened, open_reading
from infra.ops.replay.spans import KafkaSilent
from infra.ops.report import markdown, page
from infra.ops.report.kafka_troubles import KafkaTroubles
from infra.ops.report.prometheus import Prometheus
from infra.ops.report.reading import Asked, Sources, read_rows
from infra.ops.report.review import Report, in_order, review
from infra.ops.report.week import Week
from schemas.times import rfc3339
from sinks.postgres.audit_log import AuditLog


@dataclass(frozen=True, slots=True)
class ReviewAsked:
    """No `tenants` stand for all; no `week` for the last one that is over. `out` None is stdout."""

    tenants: tuple[str, ...]
    week: Week | None
    weeks: int
    out: Path | None
    text: bool
    sight: Sight
    as_html: bool

    def over(self, now: datetime) -> Week:
        """The week that is meant. Raises WrongUse for one that hasn't begun."""
        week = self.week or Week.of(now).before()
        if week.since > now:
            raise WrongUse(f"{week} hasn't begun", "give a week that has, like the last one: leave out --week")
        return week


def make_reviews(asked: ReviewAsked, output: Output) -> tuple[dict[str, Any], str]:
    """The object and the document. Raises Failure."""
    around, now = Surroundings.find(), datetime.now(UTC)
    week = asked.over(now)
    if asked.text:
        asked.sight.check(around)
    try:
        with output.status(f"reading {week} …"):
            reports = run_async(lambda: _reports(around, asked, week))
        document = (page if asked.as_html else markdown).document(reports)
        if asked.out is not None:
            with out_file(asked.out) as file:
                file.write(document.encode("utf-8", "backslashreplace"))
            click.echo(f"{asked.out} has the review of {week}.", err=True)
    except NoPlace as error:
        raise WrongUse(str(error), "name a file in --out that isn't there yet, in a folder that is") from None
    except KafkaSilent as error:
        raise kafka_failure(error) from None
    told = {"week": str(week), "since": rfc3339(week.since), "until": rfc3339(week.until)}
    return told | {"reports": [one.as_json() for one in reports]}, document


async def _reports(around: Surroundings, asked: ReviewAsked, week: Week) -> list[Report]:
    async with open_reading(around, *asked.tenants) as opened, aiohttp.ClientSession() as session:
        known = _partitions(opened, asked.tenants)
        url = around.variables.get(PROMETHEUS)
        sources = Sources(
            opened.pool, KafkaTroubles(opened.spans, opened.verifying), Prometheus(session, url) if url else None
        )
        found = []
        for tenant_id, partition in known.items():
            if asked.text:
                entry = opened.operator.change(asked.sight.reason).entry(tenant_id, "report", f"content, {week}")
                await AuditLog(opened.pool).write(replace(entry, consent=asked.sight.consent))
            found.append(review(await read_rows(sources, tenant_id, partition, Asked(week, asked.weeks, asked.text))))
    return in_order(found)


def _partitions(opened: Opened, tenants: tuple[str, ...]) -> dict[str, int]:
    """By the tenants' names. Raises WrongUse for one that there is none of, or where there is none at all."""
    if not tenants:
        opened.at_work.need_all_tenants("--all-tenants")
    known = {one.tenant_id: one.partition for one in opened.tenants}
    for tenant_id in tenants:
        if tenant_id not in known:
            raise WrongUse(f"there is no tenant {tenant_id}", "see: ticketstream tenant list")
    if not known:
        raise WrongUse("there is no tenant yet", "make one with: ticketstream tenant create")
    return {tenant_id: known[tenant_id] for tenant_id in sorted(tenants or known)}
