"""A run's report as a table for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Report

SHOWN = 20


def show(report: Report, console: Console) -> None:
    """Figures, then each finding with its ticket."""
    verdict = report.verdict
    table = Table("what", "figure", title=f"chaos, seed {report.seed}: {'right' if report.right else 'WRONG'}")
    figures = {
        "faults": len(report.faults),
        "webhooks sent, with repetitions": report.webhooks,
        "tickets accepted": verdict.accepted,
        "notes on desks": verdict.notes,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "crossed": len(verdict.crossed),
        "never accepted": len(verdict.never_accepted),
        "wrong refusals": len(verdict.wrong_refusals),
        "dead letters": ", ".join(f"{reason} {count}" for reason, count in verdict.dead_letters.items()) or 0,
        "wrong dead letters": len(verdict.wrong_dead_letters),
        "model answers": verdict.paid,
        "paid again, explained by kills": verdict.paid_again_excused,
        "paid again, unexplained": len(verdict.paid_again),
        "lag left": sum(verdict.lag.values()),
        "process ends": report.restarts,
        "seconds from first webhook to quiet": round(report.seconds, 1),
        "seconds to recover after the last fault": round(report.recovery_seconds, 1),
        "seconds in all": round(report.whole_seconds, 1),
    }
    for what, figure in figures.items():
        table.add_row(what, str(figure))
    console.print(table)
    for kind, found in verdict.findings().items():
        for one in found[:SHOWN]:
            console.print(f"{kind}: {one.tenant_id} ticket {one.ticket_id}: {one.what}", markup=False, soft_wrap=True)
        if len(found) > SHOWN:
            console.print(f"{kind}: {len(found) - SHOWN} more, see --json")
