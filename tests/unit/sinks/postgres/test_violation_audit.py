"""Violations become audit entries of the tenants concerned, without ever making who reports them wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from infra.runtime.postgres.availability import PostgresUnavailable
from infra.runtime.telemetry.isolation import Kind, Violation, violation
from sinks.postgres.audit_log import Audited
from sinks.postgres.violation_audit import MOST_WAITING, OPERATION, ViolationAudit, violations_audited

SEEN = Violation(Kind.PROBER, "acme", "nordwind", {"place": "tickets", "seen_as": "nordwind"})


def not_audited() -> float:
    return REGISTRY.get_sample_value("ticketstream_tenant_isolation_violations_not_audited_total") or 0.0


class Log:
    """An audit log that fails as long as `failures` has something to raise."""

    def __init__(self, *failures: Exception, on_write: Callable[[], None] = lambda: None) -> None:
        self.entries: list[Audited] = []
        self.failures, self.on_write = list(failures), on_write

    async def write(self, entry: Audited) -> None:
        self.on_write()
        if self.failures:
            raise self.failures.pop(0)
        self.entries.append(entry)


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def audited(log: Log, *violations: Violation) -> list[Audited]:
    audit = ViolationAudit(log.write, who="deliver", sleep=no_pause)
    for seen in violations:
        audit.take(seen)
    running = asyncio.create_task(audit.run())
    await asyncio.wait_for(audit.empty(), 5)
    running.cancel()
    return log.entries


async def test_each_tenant_has_an_entry_that_does_not_name_the_other() -> None:
    entries = await audited(Log(), SEEN)

    assert [(entry.tenant_id, entry.who, entry.operation, entry.subject) for entry in entries] == [
        ("acme", "deliver", OPERATION, "prober"),
        ("nordwind", "deliver", OPERATION, "prober"),
    ]
    assert entries[0].new_value == "place: tickets; seen_as: another tenant"
    assert "acme" not in str(entries[1].new_value)


async def test_entries_wait_while_postgres_is_away() -> None:
    entries = await audited(Log(PostgresUnavailable("away"), PostgresUnavailable("away")), SEEN)
    assert [entry.tenant_id for entry in entries] == ["acme", "nordwind"]


async def test_an_entry_that_cannot_be_written_is_counted_and_stops_no_other() -> None:
    before = not_audited()
    entries = await audited(Log(ValueError("no")), SEEN)

    assert [entry.tenant_id for entry in entries] == ["nordwind"]
    assert not_audited() == before + 1


async def test_no_more_than_a_hundred_wait() -> None:
    before = not_audited()
    entries = await audited(Log(), *[Violation(Kind.PROBER, "acme")] * (MOST_WAITING + 7))

    assert len(entries) == MOST_WAITING
    assert not_audited() == before + 7


async def test_a_violation_of_no_known_tenant_is_in_the_log_only() -> None:
    before = not_audited()
    assert await audited(Log(), Violation(Kind.REFUSED_WRITE, "")) == []
    assert not_audited() == before + 1


async def test_a_refused_entry_does_not_lead_to_another_entry() -> None:
    def refused() -> None:
        violation(Kind.REFUSED_WRITE, "acme")

    log = Log(on_write=refused)
    async with violations_audited(log.write, who="deliver") as audit:
        violation(Kind.NOTE_TENANT, "acme")
        await asyncio.wait_for(audit.empty(), 5)

    assert [entry.subject for entry in log.entries] == ["note_tenant"]


@pytest.mark.parametrize("kind", Kind)
async def test_every_kind_that_this_process_reports_is_audited_while_it_lasts(kind: Kind) -> None:
    log = Log()
    async with violations_audited(log.write, who="deliver"):
        violation(kind, "acme")
    violation(kind, "acme")

    assert [entry.subject for entry in log.entries] == [kind.value]
