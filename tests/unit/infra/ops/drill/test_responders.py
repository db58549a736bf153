"""What a person at the terminal and the runbooks do with an incident."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.ops.drill import runbooks
from infra.ops.drill.facts import Timeline
from infra.ops.drill.fault import OutOfMemory
from infra.ops.drill.ground import Ground, clean_environment
from infra.ops.drill.incident import RIGHT_CAUSE, CommandResult, Incident
from infra.ops.drill.observing import Observer, Page, Sample
from infra.ops.drill.person import Person, typed
from infra.ops.drill.plan import AUTO, LOOPING

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ALERT = Page(
    START, "HighQueueDepth", True, "critical", "130 wait", "infra/runbooks/HighQueueDepth.md", {"tenant_id": "a"}
)


@dataclass
class Scene:
    """An incident with a clock of its own, whose commands answer what was given."""

    answers: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    now: datetime = START

    def __post_init__(self) -> None:
        timeline = Timeline(self._tick)
        ground = cast(Ground, SimpleNamespace(stack=None, folder=None, environment={}))
        observer = Observer(ground, timeline)
        scene = self

        class Played(Incident):
            async def command(self, *words: str, shown: bool = False) -> CommandResult:
                scene.commands.append(words)
                return CommandResult(0, json.dumps(scene.answers.get(words[0], {})).encode())

        fault = OutOfMemory(cast(Any, None), timeline, 0.0)
        self.incident = Played(ground, AUTO, timeline, observer, fault, self.said.append)

    def _tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def page(self, page: Page = ALERT) -> None:
        self.incident.observer.pages.append(page)

    def sample(self, held: tuple[str, ...] = (), **waiting: int) -> None:
        self.incident.observer.samples.append(Sample(self._tick(), waiting, frozenset(held), 61.0))

    async def types(self, *lines: str) -> None:
        async def read() -> AsyncIterator[str]:
            for line in lines:
                yield f"{line}\n"

        await Person(self.incident, read()).respond()


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_person_is_timed_by_what_is_typed(scene: Scene) -> None:
    scene.page()
    await scene.types("ack", "severity p1", f"cause {RIGHT_CAUSE}", "client send", "ticketstream lag show", "quit")

    marks = scene.incident.milestones
    assert marks.detected and marks.triaged and marks.told and marks.detected < marks.triaged < marks.told
    assert (scene.incident.severity, scene.incident.cause) == ("P1", RIGHT_CAUSE)
    assert scene.commands == [("lag", "show")]


async def test_triage_is_over_when_both_are_said_and_a_later_word_does_not_make_it_later(scene: Scene) -> None:
    scene.page()
    marks = [scene.incident.milestones.triaged]
    for words in ("severity P2", "cause release", "severity P1"):
        await scene.types("ack", words)
        marks.append(scene.incident.milestones.triaged)

    assert marks[1] is None and marks[2] is not None and marks[3] == marks[2]
    assert scene.incident.severity == "P1"


async def test_nothing_can_be_acknowledged_before_it_arrives(scene: Scene) -> None:
    await scene.types("ack", "severity P7", "cause bad luck", "dance")

    assert scene.incident.milestones.detected is None and not scene.incident.severity and not scene.incident.cause
    assert scene.said[0] == "There is no alert." and "dance is not known" in scene.said[-1]


async def test_the_message_to_the_client_is_shown_before_it_is_sent(scene: Scene) -> None:
    scene.page()
    scene.sample(a=130)
    await scene.types("client")
    assert (
        scene.incident.milestones.told is None
        and "Next news by 09:30 UTC" in scene.said[0]
        and "$" not in scene.said[0]
    )

    await scene.types("client send Hello, we are on it.")
    assert scene.incident.message == "Hello, we are on it." and scene.incident.milestones.told


async def test_it_is_not_resolved_while_somebody_waits_or_is_held_or_the_cause_is_there(scene: Scene) -> None:
    scene.page()
    scene.sample(held=("b",), a=20, b=3)
    await scene.types("done")
    assert scene.incident.milestones.resolved is None
    assert [line.split(":")[1].strip() for line in scene.said] == [
        "tickets wait", "held", "the cause is still there", "still firing",
    ]  # fmt: skip

    scene.page(Page(START, "HighQueueDepth", False, "critical", "130 wait", "", {"tenant_id": "a"}))
    scene.sample(a=19, b=3)
    scene.incident.fault.mended = True
    await scene.types("done", "never read")
    assert scene.incident.milestones.resolved


def test_it_is_mitigated_when_nobody_waits_long_and_worse_again_when_a_worker_dies(scene: Scene) -> None:
    incident = scene.incident
    scene.page()
    for waiting in (60, 130, 10):
        scene.sample(a=waiting)
    incident._look()
    assert incident.milestones.alerted == START and incident.milestones.mitigated is None

    scene.sample(held=("b",), a=10, b=130)
    scene.sample(held=("b",), a=10, b=130)
    incident.fault.last_kill = time.time()
    incident._look()
    assert incident.milestones.mitigated is None  # a worker has died just now

    incident.fault.last_kill = 0.0
    incident._look()
    assert incident.milestones.mitigated == incident.observer.samples[2].at

    incident.fault.last_kill = scene.now.timestamp()
    incident._look()
    assert incident.milestones.mitigated is None


def test_the_backlog_has_fallen_only_when_who_was_disabled_is_worked_off_too(scene: Scene) -> None:
    incident = scene.incident
    incident.milestones.mitigated, incident.fault.mended = START, True

    def drained() -> bool:
        incident._look()
        return incident.milestones.drained is not None

    for held, waiting in ((("b",), 172), ((), 172), ((), 30)):
        for _ in range(3):
            scene.sample(held=held, a=1, b=waiting)
        assert not drained(), (held, waiting)

    for _ in range(3):
        scene.sample(a=1, b=19)
    assert drained()

    scene.sample(a=1, b=20)
    assert not drained()
    for _ in range(3):
        scene.sample(a=1, b=1)
    incident.fault.mended = False
    assert not drained()  # it would come again


@pytest.mark.parametrize(
    ("crashed", "waits"),
    [
        ([LOOPING], LOOPING),
        ([LOOPING, LOOPING], "a"),
        (["a"], LOOPING),  # was only there when workers died
    ],
)
async def test_the_runbooks_find_whose_events_kill_workers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, crashed: list[str], waits: str
) -> None:
    monkeypatch.setattr(runbooks, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(runbooks, "SUSPECT_SECONDS", 0.05)
    monkeypatch.setattr(runbooks, "DRAIN_SECONDS", 0.0)
    lag = {"lag": 90, "oldest_seconds": 60.0, "held": None}
    letters = [{"tenant_id": one, "reason": "crashes_worker"} for one in crashed]
    scene.answers = {
        "lag": {"stages": {"deliver": {"lag": 90, "tenants": {waits: lag}}}},
        "dead-letters": {"dead_letters": [*[{"tenant_id": "b", "reason": "desk_refused"}] * 3, *letters]},
    }
    scene.page()
    scene.incident.milestones.mitigated = START
    scene.incident.fault.mended = True
    scene.sample(a=1)
    await runbooks.act(scene.incident)

    assert scene.commands[-2:] == [
        ("tenant", "disable", LOOPING, "--reason", "DRILL-1"),
        ("tenant", "enable", LOOPING, "--reason", "DRILL-1"),
    ]
    assert (scene.incident.severity, scene.incident.cause) == ("P1", RIGHT_CAUSE) and scene.incident.message
    await scene.incident.end()


def line(name: str, severity: str, status: str = "firing", **labels: str) -> bytes:
    told = {"alert": name, "status": status, "severity": severity, "summary": "", "runbook": "", "labels": labels}
    return json.dumps(told).encode() + b"\n"


def test_each_alert_that_calls_somebody_is_told_once_and_whole_lines_only(scene: Scene, tmp_path: Path) -> None:
    told, log = list[str](), tmp_path / "logs" / "alerts.log"
    ground = cast(Ground, SimpleNamespace(folder=tmp_path))
    observer = Observer(ground, Timeline(), lambda page: told.append(page.words()))
    observer._pages()  # there is no log yet
    log.parent.mkdir()
    first = (
        b'{"url": "http://127.0.0.1:1"}\n' + line("Watchdog", "info") + line("HighQueueDepth", "warning", tenant_id="a")
    )
    second = line("HighQueueDepth", "warning", tenant_id="a") + line("HighQueueDepth", "critical", tenant_id="a")
    third = line("HighQueueDepth", "warning", tenant_id="b") + line("HighQueueDepth", "warning", tenant_id="a")
    log.write_bytes(first + second[:30])
    observer._pages()
    assert len(told) == 1
    log.write_bytes(first + second + third)
    observer._pages()
    log.write_bytes(first + second + third + line("HighQueueDepth", "critical", "resolved", tenant_id="a"))
    observer._pages()

    assert [(page.severity, page.firing, page.labels["tenant_id"]) for page in observer.pages] == [
        ("warning", True, "a"), ("critical", True, "a"), ("warning", True, "b"), ("critical", False, "a"),
    ]  # fmt: skip
    assert told[3] == "HighQueueDepth (critical): : resolved"


async def test_what_is_typed_comes_line_by_line_and_ends_with_the_input() -> None:
    assert [one async for one in typed(StringIO("ack\nquit\n"))] == ["ack\n", "quit\n"]


def test_a_drill_knows_nothing_of_anything_real(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "KAFKA_BOOTSTRAP_SERVERS",
        "DATABASE_URL_OPERATOR",
        "TICKETSTREAM_OPERATOR_TOKEN",
        "OPENROUTER_API_KEY",
    ):
        monkeypatch.setenv(name, "of production")

    assert "of production" not in clean_environment().values()
