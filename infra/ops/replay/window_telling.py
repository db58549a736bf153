"""What `ticketstream replay` tells, for people and as an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.ops.cli.output import Output
from infra.ops.replay.plan import Counts, Plan, added
from schemas.topics import Stage
from sinks.postgres.replay_runs import Progress, ReplayRun


def tell_plan(output: Output, found: Plan) -> None:
    """For people, before anything is done."""
    request, total = found.request, found.total
    word = "answers" if request.stage is Stage.FEEDBACK_AGGREGATE else "events"
    columns = ("tenant", "selected", "to replay", "answered already", "skipped", "why skipped")
    rows = [_cells(tenant_id, one) for tenant_id, one in sorted(found.by_tenant.items())]
    title = f"{request.since:%Y-%m-%d %H:%M:%S} to {request.until:%Y-%m-%d %H:%M:%S} UTC, input of {request.stage}"
    if rows:
        output.table(columns, rows, title=title)
    output.say(f"{total.to_replay} of {total.selected} {word} would go to {request.to}.")
    if request.from_further_up:
        output.say(f"Of each ticket that is its newest event in {request.to.consumes}.")
    if total.gone:
        output.say(
            f"{total.gone} tickets have no event in {request.to.consumes} any more: they can't go back that far."
        )
    if found.model_calls:
        cure = (
            "; with --to deliver or --stage deliver, answers that are written already are used"
            if not request.again
            else ""
        )
        output.say(f"Up to {found.model_calls} answers will be written anew, which may cost model calls{cure}.")
    if total.answered:
        output.say(f"{total.answered} have their note or count already and are left alone; --again replays them too.")


def _cells(tenant_id: str, one: Counts) -> list[object]:
    why = ", ".join(f"{reason} {count}" for reason, count in sorted(one.skipped.items()))
    return [tenant_id, one.selected, one.to_replay, one.answered, sum(one.skipped.values()), why]


def show_plan(output: Output, found: Plan, *, do: bool) -> None:
    """The result of looking."""
    value = _value(found.request.stage, found.request.to, found.by_tenant) | {"replayed": 0, "dry_run": not do}

    def show() -> None:
        tell_plan(output, found)
        if not found.total.to_replay:
            output.say("There is nothing to replay.")
        elif not do:
            output.say("Nothing was done. To do it, add: --yes --reason 'WHY'")

    output.result(value, show)


def show_end(output: Output, run_id: str, run: ReplayRun, ended: Mapping[str, Progress]) -> None:
    """What came of a run."""
    by_tenant = {tenant_id: Counts.of(progress) for tenant_id, progress in ended.items()}
    total = added(by_tenant.values())
    value = _value(run.stage, run.to, by_tenant)
    value |= {"replayed": total.to_replay, "dry_run": False, "run_id": run_id}
    for tenant_id, counts in by_tenant.items():
        value["by_tenant"][tenant_id]["replayed"] = counts.to_replay
    output.result(value, lambda: output.say(f"{total.to_replay} of {total.selected} replayed to {run.to}."))


def _value(stage: Stage, to: Stage, by_tenant: Mapping[str, Counts]) -> dict[str, Any]:
    """`selected` are all that were found, `answered` and `skipped` those of them that are left alone."""
    total = added(by_tenant.values())
    return {
        "stage": stage.value,
        "to": to.value,
        **_counted(total),
        "by_tenant": {tenant_id: _counted(one) | {"replayed": 0} for tenant_id, one in sorted(by_tenant.items())},
    }


def _counted(one: Counts) -> dict[str, Any]:
    return {
        "selected": one.selected,
        "to_replay": one.to_replay,
        "answered": one.answered,
        "skipped": dict(one.skipped),
        "gone": one.gone,
    }
