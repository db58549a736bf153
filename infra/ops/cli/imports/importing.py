"""The three import commands: read all, check all, write all in one transaction or nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from infra.ops.cli.failure import Failure
from infra.ops.cli.output import Output

if TYPE_CHECKING:
    from infra.ops.cli.imports.store import DataStore, Imported

Row = TypeVar("Row")


def import_file(
    tenant_id: str,
    path: Path,
    read: Callable[[Path], Sequence[Row]],
    write: Callable[[DataStore, Sequence[Row]], Awaitable[Imported]],
    output: Output,
) -> int:
    """Import `path` for the tenant; the command's exit code. Raises BadRows with all that is wrong; then nothing was written."""
    import asyncpg

    from infra.ops.cli.acting import acting
    from infra.ops.cli.imports.store import DataStore
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings

    with output.status(f"Reading {path}"):
        rows = read(path)

    async def run() -> Imported:
        async with acting(Surroundings.find(), tenant_id) as at_work:
            try:
                who = at_work.operator
                return await write(DataStore(at_work.pool, tenant_id, who.name, who.role.value), rows)
            except asyncpg.ForeignKeyViolationError:
                raise Failure(f"there is no tenant {tenant_id}", "see: ticketstream tenant list") from None

    with output.status(f"Writing {len(rows)} rows"):
        done = run_async(run)
    output.result(
        {"tenant_id": tenant_id, "read": len(rows), "imported": done.written, "new": done.new, "file": str(path)},
        lambda: output.say(f"{done.written} rows imported for {tenant_id}, {done.new} of them new."),
    )
    return 0
