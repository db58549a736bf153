"""What `ticketstream export` does, from what was asked to rows in a file, with what is refused said in a line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from infra.ops.analysts.exporting import Exporting, Told, Window
from infra.ops.analysts.out_file import out_file
from infra.ops.analysts.rows import columns
from infra.ops.analysts.tables import Format, NoParquet, need_parquet, table
from infra.ops.cli.acting import Acting, acting
from infra.ops.cli.delivered_notes import delivered_on_kafka, kafka_failure
from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.main import ReaderGone
from infra.ops.cli.running import run_async
from infra.ops.cli.sight import Sight
from infra.ops.cli.surroundings import Surroundings
from infra.ops.leaving.package import NoPlace
from infra.ops.replay.spans import KafkaSilent
from schemas.times import rfc3339
from sinks.postgres.audit_log import AuditLog
from sinks.postgres.failures import failed_enhancements
from sinks.postgres.note_feedback import feedback_of_notes
from sinks.postgres.tenant_directory import load_tenants


@dataclass(frozen=True, slots=True)
class Asked:
    """No `tenants` stand for all. `out` None is stdout."""

    tenants: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    form: str
    out: Path | None
    text: bool
    failed: bool
    sight: Sight


def export_notes(asked: Asked) -> dict[str, Any]:
    """What was written, as an object. Raises Failure."""
    around = Surroundings.find()
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    if asked.text:
        asked.sight.check(around)
    try:
        if asked.form == Format.PARQUET:
            need_parquet()
        return run_async(lambda: _export(around, asked))
    except NoPlace as error:
        raise WrongUse(str(error), "name a file in --out that isn't there yet, in a folder that is") from None
    except NoParquet as error:
        what, _, cure = str(error).partition(": ")
        raise Failure(what, cure) from None
    except KafkaSilent as error:
        raise kafka_failure(error) from None


async def _export(around: Surroundings, asked: Asked) -> dict[str, Any]:
    window, told, shown = Window(asked.since, asked.until), Told(), columns(text=asked.text)
    async with acting(around, *asked.tenants) as at_work:
        partitions = await _partitions(at_work, asked.tenants)
        failed = partial(failed_enhancements, at_work.pool) if asked.failed else None
        feedback = partial(feedback_of_notes, at_work.pool, comments=asked.text)
        async with delivered_on_kafka(at_work) as delivered:
            with _opened(asked.out) as stream, table(Format(asked.form), stream, shown) as rows, _progress() as say:
                exporting = Exporting(delivered, feedback, window, asked.text, failed, say)
                for tenant_id, partition in partitions.items():
                    await _note_down(at_work, tenant_id, asked, window)  # before anything is seen
                    await exporting.export(tenant_id, partition, rows, told)
        click.echo(_said(told, delivered.refused, asked.out), err=True)
    return {
        "rows": told.rows,
        "repeated": told.repeated,
        "not_proven": delivered.refused,
        "tenants": list(partitions),
        "since": rfc3339(asked.since) if asked.since else None,
        "until": rfc3339(asked.until) if asked.until else None,
        "format": asked.form,
        "columns": [column.name for column in shown],
        "out": str(asked.out) if asked.out else None,
    }


async def _partitions(at_work: Acting, tenants: tuple[str, ...]) -> dict[str, int]:
    """By the tenants' names. Raises WrongUse for one that there is none of."""
    if not tenants:
        at_work.need_all_tenants("--all-tenants")
    known = {one.tenant_id: one.partition for one in await load_tenants(at_work.pool)}
    for tenant_id in tenants:
        if tenant_id not in known:
            raise WrongUse(f"there is no tenant {tenant_id}", "see: ticketstream tenant list")
    return {tenant_id: known[tenant_id] for tenant_id in sorted(tenants or known)}


async def _note_down(at_work: Acting, tenant_id: str, asked: Asked, window: Window) -> None:
    what = f"{'content' if asked.text else 'without text'}, {asked.form}, {window}"
    entry = at_work.operator.change(asked.sight.reason).entry(tenant_id, "export", what)
    await AuditLog(at_work.pool).write(replace(entry, consent=asked.sight.consent))


@contextmanager
def _opened(out: Path | None) -> Iterator[Any]:
    with out_file(out) if out else closing(_Stdout()) as stream:
        yield stream
        stream.flush()


class _Stdout(io.RawIOBase):
    """Tells that nobody reads any more apart from a server that went away. Closing it leaves stdout open."""

    def __init__(self) -> None:
        self._stdout = click.get_binary_stream("stdout")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            return self._stdout.write(data)
        except BrokenPipeError:
            raise ReaderGone from None

    def flush(self) -> None:
        try:
            self._stdout.flush()
        except BrokenPipeError:
            raise ReaderGone from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for the tenant at hand, on a terminal's stderr only."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("")
        yield lambda tenant_id, done, of: bars.update(bar, description=tenant_id, completed=done, total=of)


def _said(told: Told, refused: int, out: Path | None) -> str:
    parts = [f"{told.rows} {'row' if told.rows == 1 else 'rows'}"]
    parts += [f"{told.repeated} repeated events left out"] if told.repeated else []
    parts += [f"{refused} records left out that aren't proven to be the tenant's"] if refused else []
    return ", ".join(parts) + (f": {out}" if out else "")
