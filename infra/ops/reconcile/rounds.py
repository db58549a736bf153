"""All tenants, one run each; and again after an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from uuid import uuid4

from infra.ops.reconcile import metrics
from infra.ops.reconcile.ports import Choices, Limits, Ports, Problem, Report, Result, Tenant
from infra.ops.reconcile.tenant_run import LEASE_SECONDS, TenantRun, Window
from infra.runtime.postgres.availability import UNAVAILABLE
from infra.runtime.telemetry.logs import get_logger
from schemas.times import rfc3339
from sinks.postgres.audit_log import Audited
from sinks.postgres.reconcile import Begun, Ended

log = get_logger(__name__)

TENANTS_AT_ONCE = 8
KEEP_SECONDS = 5.0
"""For keeping a run's result, also one that was told to stop."""
FIRST_WAIT = (0.2, 1.0)
WAIT = (0.9, 1.1)
_AWAY: tuple[type[BaseException], ...] = (*UNAVAILABLE, TimeoutError)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """One desk's failure stops no other tenant's run; a desk that fails is left alone until the next round."""

    ports: Ports
    limits: Limits = field(default_factory=Limits)

    async def round(self, tenants: Sequence[Tenant], choices: Choices | None = None) -> list[Report]:
        """A report a tenant, in their order."""
        chosen, places = choices or Choices(), asyncio.Semaphore(TENANTS_AT_ONCE)

        async def one(tenant: Tenant) -> Report:
            async with places:
                report = await self._guarded(tenant, chosen)
            if not chosen.dry_run:
                metrics.count(report)
            _say(report)
            return report

        async with asyncio.TaskGroup() as running:
            tasks = [running.create_task(one(tenant)) for tenant in tenants]
        self.ports.pace.forget_idle()
        return [task.result() for task in tasks]

    async def _guarded(self, tenant: Tenant, choices: Choices) -> Report:
        try:
            return await self._run(tenant, choices)
        except _AWAY as error:
            return _failed(
                tenant,
                f"PostgreSQL is away or too slow ({error!r}). Check that PostgreSQL runs; the next run tries again.",
                "database_unavailable",
            )
        except Exception as error:
            log.exception("Reconciling failed", tenant_id=tenant.tenant_id)
            what = f"{type(error).__name__}: {error}. This is a bug: report it with the log of this moment."
            return _failed(tenant, what, "internal_error")

    async def _run(self, tenant: Tenant, choices: Choices) -> Report:
        tenant_id, lease_id = tenant.tenant_id, str(uuid4())
        if not tenant.enabled:
            return _skipped(tenant, "the tenant is disabled", "disabled")
        begun = await self.ports.state.begin(tenant_id, lease_id, LEASE_SECONDS)
        if begun is None:
            return _skipped(tenant, "another run has it at the moment", "leased")
        if begun.not_before and begun.not_before > self.ports.clock.now():
            await self.ports.state.release(tenant_id, lease_id)
            return _skipped(
                tenant,
                f"the desk asked to be left alone until {rfc3339(begun.not_before, 'seconds')}",
                "desk_rate_limited",
            )
        run = TenantRun(tenant, _window(begun, lease_id, choices), self.ports, self.limits)
        report = run.report(Result.FAILED)
        try:
            report = await run.go()
        except BaseException:
            report = run.report(Result.FAILED)
            raise
        finally:  # also when told to stop: what was fed in is known then, and the tenant is free at once
            async with asyncio.timeout(KEEP_SECONDS):
                await self._keep(run, report, choices)
        return report

    async def _keep(self, run: TenantRun, report: Report, choices: Choices) -> None:
        state, window = self.ports.state, run.window
        if choices.dry_run:
            await state.release(report.tenant_id, window.lease_id)
            return
        wait = None if run.retry_after is None else self.ports.clock.now() + timedelta(seconds=run.retry_after)
        ended = Ended(
            listed_until=report.listed_until or window.since,
            first=window.first,
            result=report.result.value,
            counts=report.counts,
            not_before=wait,
            error="; ".join(problem.what for problem in report.problems[:3]),
            audited=_audited(report, choices),
        )
        await state.end(report.tenant_id, window.lease_id, ended)


async def every(
    seconds: float, work: Callable[[], Awaitable[object]], *, random: Random, sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Again and again, with jitter, so that restarted processes don't ask all desks at the same moment. Never ends by itself."""
    span = FIRST_WAIT
    while True:
        await sleep(seconds * random.uniform(*span))
        span = WAIT
        await work()


def _window(begun: Begun, lease_id: str, choices: Choices) -> Window:
    if choices.since is None:
        return Window(begun.listed_until, begun.first, lease_id, choices.dry_run)
    return Window(choices.since, min(begun.first, choices.since), lease_id, choices.dry_run)


def _audited(report: Report, choices: Choices) -> tuple[Audited, ...]:
    if not report.counts.fed_in and choices.since is None:
        return ()
    since = f"since {rfc3339(choices.since, 'seconds')}" if choices.since else ""
    fed = f"{report.counts.fed_in} tickets fed in"
    return (Audited(report.tenant_id, choices.who, "reconcile", fed, reason=since, role=choices.role),)


def _skipped(tenant: Tenant, why: str, reason: str) -> Report:
    return Report(tenant.tenant_id, Result.SKIPPED, problems=(Problem(why, reason=reason),))


def _failed(tenant: Tenant, what: str, reason: str) -> Report:
    return Report(tenant.tenant_id, Result.FAILED, problems=(Problem(what, reason=reason),))


def _say(report: Report) -> None:
    counts, problem = report.counts, report.problems[0].what if report.problems else None
    told = log.warning if report.failed else log.info
    told(
        "Reconciled",
        tenant_id=report.tenant_id,
        result=report.result.value,
        listed=counts.listed,
        known=counts.known,
        fed_in=counts.fed_in,
        too_young=counts.too_young,
        closed=counts.closed,
        failed=counts.failed,
        problem=problem,
    )
