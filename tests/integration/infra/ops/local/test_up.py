"""`up` as a person runs it: a process in the foreground, stopped with Ctrl-C, found again afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

UP = """
import os, pathlib, sys
from infra.ops.local.stack import StackOptions, WantedPorts, run_up
from infra.ops.local.stack.service import ServiceSpec
SLEEP = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")
def groups(site):
    port = str(site.servicedesk_port)
    return [[ServiceSpec("tiny", (*SLEEP, port), {}, health_url=site.servicedesk_url)]]
options = StackOptions(pathlib.Path(sys.argv[1]), WantedPorts.any_free(), partitions=1)
sys.exit(run_up(options, groups=groups))
"""


class Up:
    """One `up` process and what it wrote to stderr."""

    def __init__(self, state_dir: Path, **environment: str) -> None:
        own = ("TICKETSTREAM_", "KAFKA_", "DATABASE_URL")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._log = Path(f"{state_dir}.{time.monotonic_ns()}.log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", UP, str(state_dir)],
                stderr=log,
                env={**inherited, **environment},
                cwd=Path.cwd(),
            )

    @property
    def told(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.told:
            assert self.process.poll() is None, self.told
            assert time.monotonic() < deadline, self.told
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def state_dir(kafka: str) -> Iterator[Path]:
    """`kafka` only so that a missing tool skips here, too."""
    folder = Path(tempfile.mkdtemp(prefix="ts-up-"))
    yield folder
    for left in processes_of(folder):
        left.kill()
    shutil.rmtree(folder, ignore_errors=True)
    for log in folder.parent.glob(f"{folder.name}.*.log"):
        log.unlink()


def processes_of(folder: Path) -> list[psutil.Process]:
    """Processes that name the folder on their command line: Kafka, PostgreSQL and `up` itself."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in part for part in line):
            found.append(process)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_the_next_up_finds_its_data(state_dir: Path, number: signal.Signals) -> None:
    first = Up(state_dir)
    first.wait_for("Ready after")
    assert "7 topics created with 1 partitions" in first.told
    assert (state_dir / "endpoints.json").exists()

    assert first.stop(number) == 0
    assert "The next `ticketstream up` finds its data" in first.told
    assert not processes_of(state_dir)
    assert not (state_dir / "endpoints.json").exists()

    second = Up(state_dir)
    second.wait_for("Ready after")
    assert "created" not in second.told
    assert second.stop(number) == 0


def test_a_second_up_on_the_same_folder_exits_2_and_says_so(state_dir: Path) -> None:
    first = Up(state_dir)
    first.wait_for("Ready after")

    second = Up(state_dir)
    assert second.process.wait(30) == 2
    assert f"already runs on {state_dir} (process {first.process.pid})" in second.told

    assert first.stop() == 0


def test_an_up_that_is_killed_leaves_nothing_running_and_the_next_one_starts(state_dir: Path) -> None:
    first = Up(state_dir)
    first.wait_for("Ready after")
    first.process.kill()
    first.process.wait()

    second = Up(state_dir)
    second.wait_for("Ready after")
    assert "created" not in second.told
    assert second.stop() == 0
    assert not processes_of(state_dir)


def test_ctrl_c_while_starting_stops_what_was_started(state_dir: Path) -> None:
    first = Up(state_dir)
    first.wait_for("PostgreSQL runs")

    assert first.stop() == 0
    assert not processes_of(state_dir)


def test_a_missing_java_exits_2_and_says_what_to_install(state_dir: Path) -> None:
    up = Up(state_dir, JAVA_HOME="/nowhere")

    assert up.process.wait(30) == 2
    assert "Install Java 17" in up.told
    assert "Traceback" not in up.told
    assert not processes_of(state_dir)


@pytest.mark.parametrize(
    ("variable", "value", "cure"),
    [
        ("KAFKA_SECURITY_PROTOCOL", "PLAIN", "KAFKA_SECURITY_PROTOCOL: "),
        ("TICKETSTREAM_INGEST_PORT", "http", "Give a number up to 65535"),
    ],
)
def test_a_wrong_setting_exits_2_with_one_line(state_dir: Path, variable: str, value: str, cure: str) -> None:
    up = Up(state_dir, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", **{variable: value})

    assert up.process.wait(30) == 2
    (line,) = up.told.splitlines()
    assert cure in line and "https://" not in line


def test_a_state_folder_that_is_a_file_exits_2_and_says_what_to_do(state_dir: Path) -> None:
    (state_dir / "file").touch()

    up = Up(state_dir / "file")

    assert up.process.wait(30) == 2
    (line,) = up.told.splitlines()
    assert "can't be the state folder" in line and "TICKETSTREAM_STATE_DIR" in line
