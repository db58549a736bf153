"""Searching and verifying for a person: only the tenants that this person may touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.ops.audit.logged_seals import Logged
from infra.ops.audit.verification import Chain, Problem, verify
from infra.ops.cli.acting import Acting, acting
from infra.ops.cli.failure import WrongUse
from infra.ops.cli.surroundings import Surroundings
from sinks.postgres.audit_entries import Wanted, find
from sinks.postgres.audit_seals import AuditSeals
from sinks.postgres.service_keys import ServiceKeys


@dataclass(frozen=True, slots=True)
class Verified:
    """`unsealed` are the entries of hours that aren't over yet, or were over only just."""

    tenants: int
    hours: int
    entries: int
    unsealed: int
    problems: Sequence[Problem]

    def as_json(self) -> dict[str, Any]:
        counts = {"tenants": self.tenants, "hours": self.hours, "entries": self.entries, "unsealed": self.unsealed}
        return {"ok": not self.problems, **counts, "problems": [problem.as_json() for problem in self.problems]}


async def search(around: Surroundings, tenant_id: str | None, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """The newest entries that are wanted, the oldest of them first."""
    async with acting(around, *([tenant_id] if tenant_id else [])) as at_work:
        found: list[dict[str, Any]] = []
        for name in await _tenants(at_work, tenant_id):
            found += await find(at_work.pool, name, wanted, limit)
    found.sort(key=lambda entry: (entry["at"], entry["audit_id"]))
    return found[-limit:]


async def verify_all(around: Surroundings, tenant_id: str | None, logged: Logged) -> Verified:
    """Everything there is of one tenant, or of all."""
    hours = entries = unsealed = 0
    problems: list[Problem] = []
    async with acting(around, *([tenant_id] if tenant_id else [])) as at_work:
        seals, keys = AuditSeals(at_work.pool), await ServiceKeys(at_work.pool).load()
        names = await _tenants(at_work, tenant_id, *logged)
        for name in names:
            chain = Chain(name, await seals.seals(name), await seals.hours(name), logged.get(name, {}))
            problems += verify(chain, keys, datetime.now(UTC))
            sealed = {seal.hour for seal in chain.seals}
            hours += len(sealed)
            entries += sum(hour.entries for hour in chain.hours if hour.hour in sealed)
            unsealed += sum(hour.entries for hour in chain.hours if hour.hour not in sealed)
    return Verified(len(names), hours, entries, unsealed, problems)


async def _tenants(at_work: Acting, tenant_id: str | None, *more: str) -> list[str]:
    """Raises WrongUse where nothing was ever noted down of a tenant of that name."""
    there = {*await AuditSeals(at_work.pool).tenants(), *more}
    if tenant_id is not None and tenant_id not in there:
        raise WrongUse(f"nothing is noted down about a tenant {tenant_id}", "see: ticketstream tenant list")
    mine = at_work.operator.tenants
    return [tenant_id] if tenant_id is not None else sorted(there if mine is None else there & mine)
