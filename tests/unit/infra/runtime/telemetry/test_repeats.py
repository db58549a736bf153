"""What libraries repeat is said once in a while, with a count; nothing else is left out."""

from __future__ import annotations

import logging
from typing import Any

from infra.runtime.telemetry.repeats import MOST_KEPT, SECONDS, SeldomRepeated


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(text: str, *args: Any, name: str = "aiokafka", level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, text, args, None)


def test_the_same_line_passes_once_in_a_while_and_says_how_often_it_was_there() -> None:
    clock = Clock()
    seldom, again = SeldomRepeated(clock), "Unable connect to node with id %s"

    passed = []
    for _ in range(50):
        line = record(again, 1)
        if seldom.filter(line):
            passed.append(line.getMessage())
        clock.now += SECONDS / 20

    first = "Unable connect to node with id 1"
    assert passed == [first, f"{first} (19 times more in 10 s)", f"{first} (19 times more in 10 s)"]


def test_what_differs_in_anything_passes() -> None:
    seldom = SeldomRepeated(Clock())
    lines = [
        record("node %s", 1), record("node %s", 2), record("node %s", 1, name="faust"),
        record("node %s", 1, level=logging.WARNING),
    ]  # fmt: skip

    assert [seldom.filter(line) for line in lines] == [True] * 4
    assert not seldom.filter(record("node %s", 1))


def test_what_comes_seldom_is_not_changed() -> None:
    clock = Clock()
    seldom = SeldomRepeated(clock)
    for _ in range(3):
        line = record("Heartbeat failed for group %s", "ticketstream.enrich")
        assert seldom.filter(line)
        assert line.getMessage() == "Heartbeat failed for group ticketstream.enrich"
        clock.now += SECONDS


def test_it_keeps_no_more_than_so_many_texts() -> None:
    seldom = SeldomRepeated(Clock())
    for number in range(3 * MOST_KEPT):
        assert seldom.filter(record(f"offset {number}"))
    assert len(seldom._last) <= MOST_KEPT


def test_a_librarys_mistake_in_its_format_is_left_to_logging() -> None:
    assert SeldomRepeated(Clock()).filter(record("%d", "text"))
