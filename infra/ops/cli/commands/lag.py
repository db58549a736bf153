"""`ticketstream lag`: how far each stage is behind, for whom, why, and what is held."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

import click

from infra.ops.cli.output import STDOUT, JsonCommand, JsonTo, Output, json_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.lag.view import LagView, Scaling, StageLag, TenantLag

WATCH_SECONDS = 2.0
COLUMNS = ("stage", "tenant", "lag", "oldest", "in flight", "a second", "empty in", "limited by", "held because of")


@click.group()
def lag() -> None:
    """How far each stage is behind, for whom, and what is held."""


@lag.command(cls=JsonCommand)
def serve() -> None:
    """Run the lag service in the foreground: /lag and /scaling/STAGE for KEDA and the console, metrics for Prometheus.

    Reads its settings from the environment; .env.example lists them.
    """
    from infra.ops.cli.commands.services import become

    become("infra.ops.lag")


@lag.command(cls=JsonCommand)
@click.option("--watch", is_flag=True, help=f"Again every {WATCH_SECONDS:.0f} s, until Ctrl-C.")
@json_option
def show(watch: bool, json_to: JsonTo) -> int:
    """The lag now. The table leaves out tenants without lag; --json has all (with --watch one object a line).

    What is limited by its cap needs a higher cap, what is limited by slots more workers; what is held waits for what it is held
    for. The rate, and when all is handled, are known after watching for 10 s.
    """
    from infra.ops.cli.acting import acting
    from infra.ops.cli.failure import Failure, WrongUse
    from infra.ops.cli.kafka_reader import kafka_client, kafka_variables_checked
    from infra.ops.cli.running import run_async
    from infra.ops.cli.surroundings import Surroundings
    from infra.ops.lag.brokers import LagUnknown, quiet
    from infra.ops.lag.reading import KafkaReader, LagReader

    around, output = Surroundings.find(), Output(json_to)
    if watch and json_to not in (None, STDOUT):
        raise WrongUse(
            "--watch has no end, so its result fits in no file", "leave out FILE: one object a line is printed"
        )
    around.need("KAFKA_BOOTSTRAP_SERVERS")
    client, prefix, scaling = kafka_client(dict(around.variables)), around.topic_prefix, scaling_of(around)

    quiet()

    async def run() -> None:
        with kafka_variables_checked():
            kafka = KafkaReader(client, prefix)
        async with kafka, acting(around) as at_work:
            reader = LagReader(kafka, at_work.pool, scaling, prefix=prefix)

            async def own() -> LagView:
                return (await reader.read()).only(at_work.operator.tenants)

            await (_watch(own, output) if watch else _show(own, output))

    try:
        with (
            contextlib.suppress(KeyboardInterrupt) if watch else contextlib.nullcontext()
        ):  # how watching is meant to end
            run_async(run)
    except LagUnknown as error:
        raise Failure(str(error), error.cure) from None
    return 0


def scaling_of(around: Surroundings) -> Scaling:
    """As the service reads it, from the same variables."""
    from pydantic import ValidationError

    from infra.ops.cli.failure import WrongUse
    from infra.ops.lag.settings import ScalingSettings

    names = {name: f"TICKETSTREAM_{name.upper()}" for name in ScalingSettings.model_fields}
    known = {name: around.variables[variable] for name, variable in names.items() if variable in around.variables}
    try:
        return ScalingSettings(**known).scaling  # type: ignore[arg-type]  # texts, parsed by the model
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise WrongUse(f"{names[str(first['loc'][0])]}: {first['msg']}", ".env.example says what it is for") from None


async def _show(read: Callable[[], Awaitable[LagView]], output: Output) -> None:
    view = await read()
    output.result(view.as_json(), lambda: output.table(COLUMNS, rows(view), naming=2))


async def _watch(read: Callable[[], Awaitable[LagView]], output: Output) -> None:
    """On a terminal the table changes in place; else one is printed after another."""
    if output.json_on_stdout or not sys.stdout.isatty():
        while True:
            await _show(read, output)
            await asyncio.sleep(WATCH_SECONDS)
    from rich.live import Live

    with Live(console=output.console(), auto_refresh=False) as live:
        while True:
            live.update(output.made_table(COLUMNS, rows(await read()), naming=2), refresh=True)
            await asyncio.sleep(WATCH_SECONDS)


def rows(view: LagView) -> list[list[object]]:
    """For people: tenants that lag, the longest lag first, and a line for a stage where none does."""
    return [row for stage, found in view.stages.items() for row in _rows(stage.value, found)]


def _rows(stage: str, found: StageLag) -> list[list[object]]:
    behind = [(tenant_id, tenant) for tenant_id, tenant in found.tenants.items() if tenant.lag]
    shown = [_row(stage, *pair) for pair in sorted(behind, key=lambda pair: -pair[1].lag)]
    if found.unowned:
        shown.append([stage, "no tenant's", found.unowned])
    return [row + [""] * (len(COLUMNS) - len(row)) for row in shown or [[stage, "", 0]]]


def _row(stage: str, tenant_id: str, tenant: TenantLag) -> list[object]:
    row: list[object] = [stage, tenant_id, tenant.lag, _seconds(tenant.oldest_seconds)]
    rate = "?" if tenant.rate is None else f"{tenant.rate:.1f}"
    row += [
        "?" if tenant.in_flight is None else tenant.in_flight,
        rate,
        _seconds(tenant.drain_seconds),
        tenant.limited_by or "",
    ]
    if held := tenant.held:
        until = f"until {held.until.astimezone():%H:%M:%S}"
        row.append(f"{held.reason}, breaker {held.breaker.value}, {until}, {held.events} events, {held.attempts} tries")
    return row


def _seconds(value: float | None) -> str:
    return "?" if value is None else f"{value:.0f} s"
