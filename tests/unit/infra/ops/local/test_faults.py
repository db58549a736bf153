"""Faults of the stand-in servers end by themselves."""

from __future__ import annotations

from random import Random

from infra.ops.local.faults import FaultSchedule
from infra.ops.local.servicedesk_simulator import DeskFault


def test_a_fault_that_lasts_is_met_by_every_call_until_its_time_is_over() -> None:
    now = 100.0
    schedule: FaultSchedule[DeskFault] = FaultSchedule(Random(1), monotonic=lambda: now)
    storm = DeskFault(kind="rate_limit", lasting=6.0)
    schedule.set([storm, DeskFault(kind="reset", calls=1)])

    assert [schedule.take("add_note") for _ in range(3)] == [[storm]] * 3
    now = 106.0
    assert [fault["kind"] for fault in schedule.as_json()] == ["reset"]
    assert [[fault.kind for fault in schedule.take("add_note")] for _ in range(2)] == [["reset"], []]
