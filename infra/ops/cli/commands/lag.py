"""`ticketstream lag`: how far each stage is behind, for whom, and what is held."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from infra.ops.cli.output import STDOUT, JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.ops.lag.view import LagView, StageLag

WATCH_SECONDS = 2.0
COLUMNS = ("stage", "tenant", "lag", "oldest", "held", "because of", "until", "tries", "breaker")


@click.group()
def lag() -> None:
    """How far each stage is behind, for whom, and what is held."""


@lag.command(cls=JsonCommand)
@click.option("--watch", is_flag=True, help=f"Again every {WATCH_SECONDS:.0f} s, until Ctrl-C.")
@json_option
def show(watch: bool, json_to: JsonTo) -> int:
    """The lag now. The table leaves out tenants without lag; --json has all (with --watch one object a line)."""
    from infra.ops.cli.acting import acting
    from infra.ops.cli.failure import Failure, WrongUse
    from infra.ops.cli.kafka_reader import client_config, kafka_variables_checked
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.lag.ages import AgeReader
    from infra.ops.lag.offsets import LagUnknown, OffsetReader
    from infra.ops.lag.view import LagReader

    around, output = Surroundings.find(), Output(json_to)
    if watch and json_to not in (None, STDOUT):
        raise WrongUse(
            "--watch has no end, so its result fits in no file", "leave out FILE: one object a line is printed"
        )
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    config, prefix = client_config(dict(around.variables)), around.topic_prefix

    async def run() -> None:
        with kafka_variables_checked():
            offsets, ages = OffsetReader(config, prefix), AgeReader(config)
        with ages:
            async with acting(around) as at_work:
                reader = LagReader(offsets, ages, at_work.pool, prefix=prefix)

                async def own() -> LagView:
                    return (await reader.read()).only(at_work.operator.tenants)

                await _show(own, output, again=watch)

    try:
        with (
            contextlib.suppress(KeyboardInterrupt) if watch else contextlib.nullcontext()
        ):  # how watching is meant to end
            run_async(run)
    except LagUnknown as error:
        raise Failure(str(error), error.cure) from None
    return 0


async def _show(read: Callable[[], Awaitable[LagView]], output: Output, *, again: bool) -> None:
    while True:
        view = await read()
        if again and sys.stdout.isatty():
            click.clear()
        output.result(view.as_json(), partial(table, view, output))
        if not again:
            return
        await asyncio.sleep(WATCH_SECONDS)


def table(view: LagView, output: Output) -> None:
    """For people: tenants that lag, and a line for a stage where none does."""
    rows = [row for stage, found in view.stages.items() for row in _rows(stage.value, found)]
    output.table(COLUMNS, rows)


def _rows(stage: str, found: StageLag) -> list[list[object]]:
    rows = list[list[object]]()
    behind = {tenant_id: tenant for tenant_id, tenant in found.tenants.items() if tenant.lag}
    for tenant_id, tenant in sorted(behind.items(), key=lambda pair: -pair[1].lag):
        oldest = "?" if tenant.oldest_seconds is None else f"{tenant.oldest_seconds:.0f} s"
        row: list[object] = [stage, tenant_id, tenant.lag, oldest]
        if held := tenant.held:
            row += [held.events, held.reason, f"{held.until.astimezone():%H:%M:%S}", held.attempts, held.breaker.value]
        rows.append(row + [""] * (len(COLUMNS) - len(row)))
    if found.unowned:
        rows.append([stage, "no tenant's", found.unowned, *[""] * (len(COLUMNS) - 3)])
    return rows or [[stage, "", 0, *[""] * (len(COLUMNS) - 3)]]
