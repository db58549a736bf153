"""Writes a tenant's data into a package: a file a kind, and a manifest that says what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib.metadata import version
from typing import Any

from infra.ops.leaving.delivered import Delivered
from infra.ops.leaving.kinds import DELIVERED, KINDS, NOT_EXPORTED, Kind
from infra.ops.leaving.package import Member, Package
from infra.ops.leaving.tables import Format
from infra.runtime.clock import Clock, SystemClock
from infra.runtime.postgres.pool import Pool
from schemas.events import EnhancementDelivered
from schemas.records import to_record
from schemas.times import rfc3339
from sinks.postgres.tenant_rows import Snapshot, snapshot

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Exporting:
    """Rows are of one moment; Kafka's records are read after it. Holds some hundred rows in memory."""

    pool: Pool
    delivered: Delivered
    format: Format = Format.JSONL
    clock: Clock = SystemClock()
    say: Callable[[str], None] = lambda _: None

    async def export(self, tenant_id: str, partition: int, package: Package) -> dict[str, Any]:
        """The manifest. The package isn't finished before all of it is there."""
        at, files = self.clock.now(), list[dict[str, Any]]()
        async with snapshot(self.pool, tenant_id) as rows:
            for kind in KINDS:
                self.say(kind.name)
                files.append(await self._table(rows, kind, package))
        self.say(DELIVERED)
        files.append(await self._delivered(tenant_id, partition, package))
        manifest = {
            "tenant_id": tenant_id,
            "made_at": rfc3339(at, "seconds"),
            "version": version("ticketstream"),
            "format": self.format.value,
            "files": files,
            "not_included": dict(NOT_EXPORTED),
        }
        with package.member(MANIFEST) as (text, _):
            text.write(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        package.finish()
        return manifest

    async def _table(self, rows: Snapshot, kind: Kind, package: Package) -> dict[str, Any]:
        columns = [name for name in await rows.columns(kind.table) if name not in kind.but]
        count = 0
        with package.member(self._file(kind.name), encoding=self.format.encoding) as (text, member):
            table = self.format.table(text, columns)
            async for row in rows.rows(kind.table, columns, kind.by):
                table.write(tuple(row.values()))
                count += 1
        return _told(kind.name, member, count)

    async def _delivered(self, tenant_id: str, partition: int, package: Package) -> dict[str, Any]:
        columns = [field.name for field in fields(EnhancementDelivered)]
        count = 0
        with package.member(self._file(DELIVERED), encoding=self.format.encoding) as (text, member):
            table = self.format.table(text, columns)
            async for event in self.delivered.of(tenant_id, partition):
                record = to_record(event)
                table.write([record[name] for name in columns])
                count += 1
        return _told(DELIVERED, member, count)

    def _file(self, kind: str) -> str:
        return f"{kind}.{self.format.value}"


def _told(kind: str, member: Member, rows: int) -> dict[str, Any]:
    return {"kind": kind, "name": member.name, "rows": rows, "bytes": member.size, "sha256": member.sha256}
