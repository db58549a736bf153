"""An export holds all that is the tenant's and nothing of another's, of one moment, whole or not at all."""

from __future__ import annotations

import csv
import json
import stat
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from infra.ops.leaving.exporting import MANIFEST, Exporting
from infra.ops.leaving.kinds import KINDS, NOT_EXPORTED
from infra.ops.leaving.package import NoPlace, Package
from infra.ops.leaving.tables import Format
from infra.runtime.postgres.pool import Pool, open_pool
from infra.runtime.postgres.tenant import connection, tenant_transaction
from schemas.catalogue import NEWEST
from schemas.events import EnhancementDelivered
from schemas.records import from_record
from sinks.postgres import tenant_rows
from tests.conftest import MigratedDatabase
from tests.unit.schemas.generated import records

FORMULA = '=HYPERLINK("https://evil.example","click")'
EVENT = from_record(EnhancementDelivered, next(records(NEWEST[EnhancementDelivered].parsed)))


class NoKafka:
    """In place of the topic: one enhancement."""

    async def of(self, tenant_id: str, partition: int) -> AsyncIterator[EnhancementDelivered]:
        yield EVENT


@pytest.fixture
async def operator(postgres: MigratedDatabase) -> AsyncIterator[Pool]:
    pool = await open_pool(postgres.dsns["operator"], service="operator", size=3)
    yield pool
    await pool.close()


async def make(pool: Pool, tenant_id: str, partition: int) -> None:
    async with tenant_transaction(pool, tenant_id) as connected:
        await connected.execute(
            "INSERT INTO tenant_configs (tenant_id, partition, servicedesk_base_url) VALUES ($1, $2, 'https://desk.example')",
            tenant_id, partition,
        )  # fmt: skip
        await connected.execute(
            "INSERT INTO webhook_secrets (tenant_id, secret, created_by) VALUES ($1, 'canary-of-a-secret', 'test')",
            tenant_id,
        )
        for number in range(450):  # more than are fetched at once
            await connected.execute(
                "INSERT INTO tickets (tenant_id, ticket_id, subject, description, content_hash, record_offset, exact_tokens) "
                "VALUES ($1, $2, $3, $4, 'h', 1, '{=token}')",
                tenant_id, f"{number:04}", FORMULA, f"of {tenant_id}, with a \N{SNOWMAN}",
            )  # fmt: skip


@pytest.fixture
async def tenants(operator: Pool) -> tuple[str, str]:
    made = datetime.now(UTC).strftime("%H%M%S%f")
    pair = (f"export-{made}-a", f"export-{made}-b")
    for number, tenant_id in enumerate(pair):
        await make(operator, tenant_id, 50_000 + int(made) % 1_000_000 * 2 + number)
    return pair


async def export(pool: Pool, tenant_id: str, out: Path, form: Format = Format.JSONL) -> dict[str, Any]:
    with Package(out) as package:
        return await Exporting(pool, NoKafka(), form).export(tenant_id, 7, package)


async def test_every_table_is_exported_or_said_why_not(operator: Pool) -> None:
    async with connection(operator) as connected:
        rows = await connected.fetch(
            """SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"""
        )

    exported = [kind.table for kind in KINDS]
    assert sorted([*exported, *NOT_EXPORTED]) == sorted(row["relname"] for row in rows)


async def test_a_folder_has_a_file_a_kind_and_a_manifest_that_is_true(
    operator: Pool, tenants: tuple[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "export"

    manifest = await export(operator, tenants[0], out)

    assert json.loads((out / MANIFEST).read_text()) == manifest
    assert {path.name for path in out.iterdir()} == {MANIFEST, *(one["name"] for one in manifest["files"])}
    for one in manifest["files"]:
        content = (out / one["name"]).read_bytes()
        assert (len(content), sha256(content).hexdigest()) == (one["bytes"], one["sha256"])
        assert len(content.splitlines()) == one["rows"]
    counts = {one["kind"]: one["rows"] for one in manifest["files"]}
    assert (counts["tickets"], counts["settings"], counts["enhancements_delivered"]) == (450, 1, 1)
    first = json.loads((out / "tickets.jsonl").read_text().splitlines()[0])
    assert (first["ticket_id"], first["subject"]) == ("0000", FORMULA) and "search" not in first
    everything = "".join(path.read_text() for path in out.iterdir())
    assert tenants[1] not in everything and "canary-of-a-secret" not in everything
    assert [stat.S_IMODE(path.stat().st_mode) for path in (out, out / MANIFEST)] == [0o700, 0o600]


async def test_csv_in_a_zip_holds_no_formula(operator: Pool, tenants: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "export.zip"

    manifest = await export(operator, tenants[0], out, Format.CSV)

    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as package:
        assert package.testzip() is None
        for one in manifest["files"]:
            assert sha256(package.read(one["name"])).hexdigest() == one["sha256"]
        lines = list(csv.reader(package.read("tickets.csv").decode("utf-8-sig").splitlines()))
    assert len(lines) == 451 and lines[1][lines[0].index("subject")] == f"'{FORMULA}"


async def test_what_is_cut_off_leaves_nothing_under_the_name_and_the_next_one_goes_through(
    operator: Pool, tenants: tuple[str, str], tmp_path: Path
) -> None:
    class Gone(NoKafka):
        async def of(self, tenant_id: str, partition: int) -> AsyncIterator[EnhancementDelivered]:
            for event in (EVENT, None):
                if event is None:
                    raise ConnectionError("Kafka went away")
                yield event

    for out in (tmp_path / "export", tmp_path / "export.zip"):
        with pytest.raises(ConnectionError), Package(out) as package:
            await Exporting(operator, Gone()).export(tenants[0], 7, package)
        assert list(tmp_path.glob("export*")) == [] or not out.exists()
        part = out.with_name(f"{out.name}.part")
        assert not part.exists()
        part.write_text("what a kill left behind")
        await export(operator, tenants[0], out)
        assert out.exists() and not part.exists()


async def test_it_is_of_one_moment(operator: Pool, tenants: tuple[str, str], tmp_path: Path) -> None:
    columns = tenant_rows.Snapshot.columns

    async def slow(self: tenant_rows.Snapshot, table: str) -> list[str]:
        if table == "tickets":
            async with tenant_transaction(operator, tenants[0]) as connected:
                await connected.execute("DELETE FROM tickets WHERE tenant_id = $1", tenants[0])
        return await columns(self, table)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tenant_rows.Snapshot, "columns", slow)
        manifest = await export(operator, tenants[0], tmp_path / "export")

    assert {one["kind"]: one["rows"] for one in manifest["files"]}["tickets"] == 450


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "there", tmp_path / "no" / "folder"):
        with pytest.raises(NoPlace), Package(out):
            pass
