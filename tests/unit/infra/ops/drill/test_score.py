"""Times against the targets, and what counts for whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.ops.drill.facts import Fact, Kind, Milestones
from infra.ops.drill.impact import Impact
from infra.ops.drill.incident import RIGHT_CAUSE
from infra.ops.drill.report import Report, curve
from infra.ops.drill.score import minutes, scores

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
IMPACT = Impact(300, 280, 41, 0, {"crashes_worker": 3}, 17, 95.4, ("msp-acme-corp", "msp-harbor-it"))


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


GOOD = Milestones(at(0), at(2), at(4), at(8), at(15), at(30), at(29), at(70))


def report(marks: Milestones = GOOD, *, auto: bool = False, severity: str = "P1", cause: str = RIGHT_CAUSE) -> Report:
    facts = [Fact(at(0), Kind.FAULT, "it begins"), Fact(at(2), Kind.ALERT, "HighQueueDepth (critical): 130 | wait")]
    return Report(
        auto, scores(marks, auto=auto), severity, cause, "Hello,", 7, [0, 60, 120, 8], IMPACT, facts, at(0), at(70)
    )


def test_each_time_is_counted_from_where_the_responder_could_begin() -> None:
    found = {score.name: score.seconds for score in scores(GOOD, auto=False)}

    assert found == {
        "alert": 120, "detect": 240, "triage": 240, "mitigate": 26 * 60, "backlog": 29 * 60,
        "tell the client": 11 * 60, "resolve": 70 * 60,
    }  # fmt: skip
    assert report().passed


@pytest.mark.parametrize(
    ("late", "name"),
    [
        ({"alerted": at(5)}, "alert"),
        ({"detected": at(5)}, "detect"),
        ({"triaged": at(9)}, "triage"),
        ({"mitigated": at(34)}, "mitigate"),
        ({"drained": at(30)}, "backlog"),
        ({"drained": None}, "backlog"),
        ({"told": at(19)}, "tell the client"),
        ({"resolved": at(120)}, "resolve"),
        ({"resolved": None}, "resolve"),
    ],
)
def test_a_time_at_its_target_or_never_reached_is_missed(late: dict[str, datetime | None], name: str) -> None:
    marks = Milestones(**{slot: late.get(slot, getattr(GOOD, slot)) for slot in Milestones.__slots__})
    missed = [score.name for score in scores(marks, auto=False) if not score.met]

    assert name in missed
    assert not report(marks).passed


def test_a_program_is_scored_by_the_alert_and_the_backlog_alone() -> None:
    silent = Milestones(at(0), at(2), at(2), None, None, at(10), at(20), None)

    assert report(silent, auto=True).passed and not report(silent).passed
    assert [score.name for score in scores(silent, auto=True) if score.scored] == [
        "alert",
        "mitigate",
        "backlog",
    ]
    for mitigated, drained in ((None, None), (at(10), None)):
        marks = Milestones(at(0), at(2), at(2), None, None, mitigated, drained, None)
        assert not report(marks, auto=True).passed


@pytest.mark.parametrize(("severity", "cause"), [("P2", RIGHT_CAUSE), ("P1", "release"), ("", "")])
def test_who_took_it_for_something_else_did_not_pass(severity: str, cause: str) -> None:
    assert not report(severity=severity, cause=cause).passed


def test_the_postmortem_has_the_facts_and_leaves_the_rest_to_people() -> None:
    draft = report().postmortem()

    assert "$" not in draft and "{" not in draft
    assert "| 09:02:00 | HighQueueDepth (critical): 130 \\| wait |" in draft
    assert "| resolve | <2 h | 70 min 00 s | ✓ |" in draft
    assert "2: msp-acme-corp, msp-harbor-it" in draft and "41 late, 3 given up, 17 on their way" in draft
    for part in ("Summary", "Timeline", "Causes", "What went well", "What went badly, or was luck", "Actions"):
        assert f"\n## {part}\n" in draft


def test_scripts_get_every_figure() -> None:
    told = report(auto=True).as_json()

    assert told["passed"] and told["workers_killed"] == 7 and told["backlog_peak"] == 120
    assert told["targets"][0] == {
        "name": "alert", "counted": "fault to the first alert", "target_seconds": 300.0, "seconds": 120.0, "scored": True,
        "met": True,
    }  # fmt: skip
    assert told["timeline"][1]["at"] == "2026-11-20T09:02:00Z"


def test_people_see_times_and_the_curve() -> None:
    assert [minutes(one) for one in (None, 0.4, 119, 120, 605)] == [
        "never",
        "0 s",
        "119 s",
        "2 min 00 s",
        "10 min 05 s",
    ]
    assert curve([0, 60, 120, 8]) == " ▄█▁" and curve([]) == "" and len(curve(range(1000))) <= 60
    assert "✓ detect" in report().as_text() and report().as_text().endswith("\npassed")
