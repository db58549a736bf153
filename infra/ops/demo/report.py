"""What the demo shows at its end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from infra.ops.cli.output import Output
from infra.ops.cli.surroundings import DEFAULT_STATE_DIR, STATE_DIR
from infra.ops.demo.tally import Tally, TenantTally
from schemas.events import EnhancementDelivered, FeedbackAggregated

WORDS = {
    "forged": "signed with another key: 403, alike to the byte with every other refusal",
    "stale": "signed a quarter of an hour ago: 403",
    "ticket_deleted": "the ticket was deleted at the desk meanwhile",
}


def as_object(tally: Tally, feedback: Mapping[str, Any], took: Mapping[str, float]) -> dict[str, Any]:
    """The demo's result for scripts."""
    return {
        **tally.counts,
        "seconds": tally.seconds,
        "tenants": {tenant_id: asdict(tenant) for tenant_id, tenant in tally.tenants.items()},
        "writer": tally.writer,
        "feedback": dict(feedback),
        "took": dict(took),
        "right": tally.right,
        "unexpected": list(tally.unexpected),
    }


def show_counts(output: Output, tally: Tally) -> None:
    rows = [_row(tenant_id, tenant) for tenant_id, tenant in tally.tenants.items()]
    counts, seconds = tally.counts, tally.seconds
    rows.append(_row("all", TenantTally(counts["accepted"], counts["notes"], seconds["p50"], seconds["p95"])))
    output.table(("tenant", "accepted", "notes", "p50 s", "p95 s"), rows, title="From webhook to note")
    output.say(
        f"sent {counts['sent']}, accepted {counts['accepted']}, repeated {counts['repeated']}, "
        f"refused {sum(counts['refused'].values())}, notes {counts['notes']}, "
        f"lost {counts['lost']}, duplicated {counts['duplicated']}, on a wrong desk {counts['misplaced']}"
    )
    for what, group in (("refused", "refused"), ("dropped", "dropped"), ("dead letter", "dead_letters")):
        for reason, count in counts[group].items():
            output.say(f"  {what}: {count} {reason}" + (f" ({WORDS[reason]})" if reason in WORDS else ""))
    output.say()


def show_note(output: Output, event: EnhancementDelivered) -> None:
    from rich.markdown import Markdown
    from rich.panel import Panel

    took = f"{event.total_ms / 1000:.2f} s after its webhook"
    title = f"A note: {event.tenant_id}, ticket {event.ticket_id}, {took}"
    output.console().print(Panel(Markdown(event.text), title=title, title_align="left", padding=(1, 2)))


def show_feedback(output: Output, aggregate: FeedbackAggregated) -> None:
    average = "none" if aggregate.average_rating is None else f"{aggregate.average_rating:.1f} of 5"
    output.say(
        f"Feedback of {aggregate.tenant_id} after two more answers (one by token, one by the note's link): "
        f"{aggregate.total} answers, average rating {average}, {aggregate.thumbs_up} up, {aggregate.thumbs_down} down, "
        f"{aggregate.minutes_saved_total} minutes saved.\n"
    )


def show_next(output: Output, state_dir: Path, tenant_id: str, *, running: bool) -> None:
    """Commands to try; they need the stack."""
    output.say(
        "Next:" if running else "Next, beside `ticketstream up` (or `ticketstream demo --keep`) in another terminal:"
    )
    if state_dir != Path(DEFAULT_STATE_DIR).resolve():
        output.say(f"  export {STATE_DIR}={state_dir}")
    program = program_name()
    for command, why in (
        (f"webhook send {tenant_id} --sample", "sign and send a ticket, and read the answer in words"),
        (f"tail --tenant {tenant_id}", "follow the notes as they are delivered"),
        (f"tenant show {tenant_id}", "a tenant's settings"),
        ("dead-letters list", "what could not be handled, and why"),
    ):
        output.say(f"  {program} {command:<36} {why}")


def program_name() -> str:
    """How `ticketstream` was called, so that what is shown can be typed: it need not be on the PATH."""
    called = Path(sys.argv[0])
    if called.name != "ticketstream" or shutil.which("ticketstream"):
        return "ticketstream"
    with suppress(ValueError):
        called = called.absolute().relative_to(Path.cwd())
    return str(called)


def _row(name: str, tenant: TenantTally) -> tuple[object, ...]:
    return name, tenant.accepted, tenant.notes, tenant.p50, tenant.p95
