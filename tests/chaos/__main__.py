"""`python -m tests.chaos [--seed N] [--short] [--json FILE]`: exits 0 when all is right, else 1 and keeps all logs."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from tests.chaos.faults import FAULTS
from tests.chaos.plan import Plan, schedule
from tests.chaos.report import show
from tests.chaos.run import run


@click.command()
@click.option(
    "--seed", type=int, default=None, help="Of an earlier run, to have its tickets and faults again; else a random one."
)
@click.option("--short", is_flag=True, help="180 tickets and a dozen faults instead of 3,000 and all.")
@click.option(
    "--only", multiple=True, type=click.Choice(list(FAULTS)), help="These faults alone; may be given several times."
)
@click.option("--keep", is_flag=True, help="Keep logs and ledgers although all is right.")
@click.option("--json", "json_to", type=click.Path(path_type=Path), default=None, help="Write the report to this file.")
def main(seed: int | None, short: bool, only: tuple[str, ...], keep: bool, json_to: Path | None) -> None:
    """The whole chain under faults; compares what the sender was promised with what stands on the desks."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    plan = _plan(seed, short, only)
    console = Console(stderr=True, highlight=False)
    again = f"make chaos SEED={seed}{' SHORT=1' if short else ''}"
    folder = Path(tempfile.mkdtemp(prefix="ts-chaos-"))
    console.print(f"seed {seed}; again with: {again}; logs and ledgers: {folder}", soft_wrap=True)
    report = asyncio.run(run(plan, folder, lambda line: console.print(line, markup=False, soft_wrap=True)))
    show(report, console)
    written = json.dumps(report.as_json(), indent=2) + "\n"
    (folder / "report.json").write_text(written)
    if json_to:
        json_to.write_text(written)
    if report.right and not keep:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        console.print(f"logs and ledgers: {folder}; again with: {again}", soft_wrap=True)
    sys.exit(0 if report.right else 1)


def _plan(seed: int, short: bool, only: tuple[str, ...]) -> Plan:
    plan = Plan.short(seed) if short else Plan.long(seed)
    if not only:
        return plan
    return replace(plan, faults=schedule(seed, only, seconds=plan.sending_seconds * 0.8))


if __name__ == "__main__":
    main()
