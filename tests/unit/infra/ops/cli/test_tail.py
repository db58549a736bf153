"""`tail`: how it waits, and how it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self

import pytest

from infra.ops.cli.kafka_reader import Found
from infra.ops.cli.main import run


class Reader:
    """Three records that are no events, then Ctrl-C."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

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

    def follow(self, until: Callable[[], bool]) -> Iterator[Found]:
        for offset in range(3):
            yield Found(object(), "enhancements.delivered", 0, offset, datetime.now(UTC))
        raise KeyboardInterrupt


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
