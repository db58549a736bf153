"""`tail`: how it waits, and how it ends."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any, Self

import pytest

from infra.ops.cli.kafka_reader import Found
from infra.ops.cli.main import run
from sinks.postgres.note_feedback import NoteFeedback


class Note:
    """As much of a delivered enhancement as is looked at."""

    tenant_id, ticket_id, enhancement_id = "msp-one", "17", "e"


class Reader:
    """Three notes, then Ctrl-C."""

    asked_since: datetime | None = None

    def __init__(self, *_: object, **__: object) -> None:
        self._polled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def partitions(self) -> list[int]:
        return [0]

    def ends(self, partitions: list[int]) -> dict[int, tuple[int, int]]:
        return dict.fromkeys(partitions, (0, 3))

    def start(self, offsets: dict[int, int]) -> None:
        pass

    def since(self, partitions: list[int], at: datetime) -> dict[int, int]:
        Reader.asked_since = at
        return dict.fromkeys(partitions, 1)

    def poll(self) -> list[Found]:
        if self._polled:
            raise KeyboardInterrupt
        self._polled = True
        return [Found(Note(), "enhancements.delivered", 0, offset, datetime.now(UTC)) for offset in range(3)]


@pytest.fixture(autouse=True)
def notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path))
    for name in ("DATABASE_URL_OPERATOR", "DATABASE_URL_CONSOLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("infra.ops.cli.kafka_reader.TopicReader", Reader)
    monkeypatch.setattr("infra.ops.cli.commands.tail.line_of", lambda found: f"note {found.offset}")


def test_ctrl_c_is_how_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tail"]) == 0
    said = capsys.readouterr()
    assert said.out == "note 0\nnote 1\nnote 2\n"
    assert said.err == "Waiting for the notes of all tenants, until Ctrl-C.\n"


def test_it_says_whose_notes_it_waits_for_also_where_no_database_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tail", "--tenant", "msp-one", "--seconds", "2"]) == 0
    assert capsys.readouterr().err == "Waiting for msp-one's notes, until 2 s have passed.\n"


def test_a_reader_who_has_had_enough_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody_reads:
        monkeypatch.setattr("sys.stdout", nobody_reads)
        assert run(["tail", "--from-beginning"]) == 0


def test_it_begins_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tail", "--since", "2026-01-31T09:00:00Z"]) == 0
    assert Reader.asked_since == datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_two_beginnings_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tail", "--since", "2h", "--from-beginning"]) == 2
    assert "leave out one" in capsys.readouterr().err


def test_a_limit_ends_it_within_what_came_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tail", "--limit", "2"]) == 0
    assert capsys.readouterr().out == "note 0\nnote 1\n"


def test_what_technicians_said_stands_at_the_end_of_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = NoteFeedback(3, 1, 0, 2, 4.5, None, 0, datetime(2026, 1, 31, tzinfo=UTC))
    monkeypatch.setattr("infra.ops.cli.known_feedback.KnownFeedback.of", lambda *_: {"e": said})

    assert run(["tail", "--limit", "1"]) == 0

    assert capsys.readouterr().out == "note 0  4.5 of 5 (2), 1 up, 0 down\n"
