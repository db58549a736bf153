"""Log lines: one JSON object each, whatever stands in them."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

PROGRAM = """
import logging, sys
from infra.runtime.telemetry import logs
logs.configure("enrich", sys.argv[1])
log = logs.get_logger("a.module")
log.debug("fine print")
log.info("Task completed", tenant_id="msp-acme-corp", ticket_id="10042")
log.info("strange", text="\\ud800", number=2**70, thing=object(), keys={1: 2})
try:
    raise ValueError("\\ud800")
except ValueError:
    log.exception("raised")
logging.getLogger("aiokafka").info("chatter")
for _ in range(20):
    logging.getLogger("aiokafka").error("lost %s", "broker")
"""


def lines(level: str) -> list[dict[str, Any]]:
    """What a process with this level writes."""
    told = subprocess.run([sys.executable, "-c", PROGRAM, level], capture_output=True, timeout=60, check=True)
    return [json.loads(line) for line in told.stderr.splitlines()]


@pytest.fixture(scope="module")
def info() -> list[dict[str, Any]]:
    return lines("INFO")


def test_each_line_says_who_when_and_what(info: list[dict[str, Any]]) -> None:
    line = info[0]
    assert (line["event"], line["tenant_id"], line["ticket_id"]) == ("Task completed", "msp-acme-corp", "10042")
    assert (line["service"], line["level"], line["logger_name"]) == ("enrich", "info", "a.module")
    assert line["timestamp"].endswith("Z")


def test_no_value_is_too_strange_to_be_logged(info: list[dict[str, Any]]) -> None:
    strange, raised = info[1], info[2]
    assert (strange["event"], strange["text"], strange["number"]) == ("strange", "\ud800", 2**70)
    assert "ValueError" in raised["exception"]


def test_libraries_go_the_same_way_from_warning_up_and_repeat_nothing(info: list[dict[str, Any]]) -> None:
    assert [(line["event"], line["service"]) for line in info[3:]] == [("lost broker", "enrich")]


def test_the_level_is_obeyed() -> None:
    assert lines("DEBUG")[0]["event"] == "fine print"
    assert [line["event"] for line in lines("ERROR")] == ["raised", "lost broker"]


GATHERING = """
import asyncio, threading
from infra.runtime.telemetry import logs
logs.configure("ingest")
log = logs.get_logger("a.module")

async def main():
    logs.gather_on(asyncio.get_running_loop())
    log.info("one")
    log.info("two")
    worker = threading.Thread(target=log.info, args=("of another thread",))
    worker.start()
    worker.join()
    log.info("three")
    log.warning("at once")
    log.info("four")
    await asyncio.sleep(0)
    for number in range(2500):
        log.info("many", number=number)

asyncio.run(main())
log.info("after the loop")
"""


def test_lines_gathered_in_a_turn_of_the_loop_keep_their_order_and_none_is_lost() -> None:
    told = subprocess.run([sys.executable, "-c", GATHERING], capture_output=True, timeout=60, check=True)
    events = [json.loads(line)["event"] for line in told.stderr.splitlines()]
    assert events[:6] == ["one", "two", "of another thread", "three", "at once", "four"]
    assert events[6:] == ["many"] * 2500 + ["after the loop"]


UNREAD = """
import sys
from infra.runtime.telemetry import logs
logs.configure("ingest")
log = logs.get_logger("a.module")
print("ready", flush=True)
sys.stdin.readline()
log.warning("nobody reads this")
log.info("nor this")
print("still at work", flush=True)
"""


def test_a_line_that_nobody_reads_harms_nobody() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UNREAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        assert process.stdout.readline() == "ready\n"
        process.stderr.close()
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == "still at work\n"


BOUND = """
import asyncio, logging
from infra.runtime.telemetry import logs
logs.configure("enrich")
log = logs.get_logger("a.module")

async def work():
    logs.bind(trace_id="a" * 32, tenant_id="msp-acme-corp", ticket_id="10042", event_id="e-1")
    log.info("mine")
    log.warning("its own", ticket_id="7")
    logging.getLogger("aiokafka").error("a library's")
    await asyncio.create_task(part())

async def part():
    log.info("a part's")

async def main():
    log.info("before")
    await asyncio.create_task(work())
    log.info("after")

asyncio.run(main())
"""


def test_lines_of_a_task_that_works_on_an_event_name_its_trace_tenant_ticket_and_id() -> None:
    told = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, timeout=60, check=True)
    lines = {line["event"]: line for line in map(json.loads, told.stderr.splitlines())}
    whose = {"trace_id": "a" * 32, "tenant_id": "msp-acme-corp", "ticket_id": "10042", "event_id": "e-1"}
    for event in ("mine", "a part's", "a library's"):
        assert whose.items() <= lines[event].items(), event
    assert lines["its own"]["ticket_id"] == "7"
    assert "trace_id" not in lines["before"] and "trace_id" not in lines["after"]


def on_a_terminal(program: str) -> str:
    """What a person sees."""
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", program], stderr=slave) as process:
        os.close(slave)
        shown = b""
        with suppress(OSError):  # EIO: the other side is closed
            while data := os.read(master, 65536):
                shown += data
        assert process.wait(60) == 0
    os.close(master)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def test_on_a_terminal_people_read_a_line_and_no_json() -> None:
    shown = on_a_terminal(BOUND)
    (line,) = [line for line in shown.splitlines() if " mine " in line]
    assert "{" not in line
    for part in ("info", "ticket_id=10042", "tenant_id=msp-acme-corp", f"trace_id={'a' * 32}", "service=enrich"):
        assert part in line
