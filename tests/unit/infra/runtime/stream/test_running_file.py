"""What a dead worker leaves behind is found by the next; what ended, or was ended well, isn't."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from infra.runtime.stream.running_file import Handling, RunningFile

EVENT = Handling("tickets.received", 3, 17, "msp-acme-corp", "10042", "event-1")
DIES = """
import os, signal, sys
from pathlib import Path
from infra.runtime.stream.running_file import Handling, RunningFile
file = RunningFile.open(Path(sys.argv[1]), "g", 4)
ended = file.begin(Handling("t", 0, 1, "a", "b", "ended"))
file.begin(Handling("t", 0, 2, "a", "b", "running", 1))
file.end(ended)
os.kill(os.getpid(), signal.SIGKILL)
"""


def dies(folder: Path) -> None:
    process = subprocess.run([sys.executable, "-c", DIES, str(folder)], cwd=Path.cwd(), check=False)
    assert process.returncode == -9


def test_what_runs_at_a_kill_is_found_by_the_next_and_only_by_the_next(tmp_path: Path) -> None:
    dies(tmp_path)
    heir, other = RunningFile.open(tmp_path, "g", 4), RunningFile.open(tmp_path, "g", 4)
    assert heir.left_behind == [Handling("t", 0, 2, "a", "b", "running", 1)]
    assert other.left_behind == []
    heir.forget_the_dead()
    heir.close()
    assert RunningFile.open(tmp_path, "g", 4).left_behind == []


def test_it_is_not_forgotten_before_it_is_said_to_be_safe(tmp_path: Path) -> None:
    dies(tmp_path)
    heir = RunningFile.open(tmp_path, "g", 4)
    heir.close()
    for _, descriptor in heir._dead:  # as if it had been killed
        os.close(descriptor)
    assert [one.event_id for one in RunningFile.open(tmp_path, "g", 4).left_behind] == ["running"]


def test_several_dead_are_all_found(tmp_path: Path) -> None:
    dies(tmp_path)
    living = RunningFile.open(tmp_path, "other", 4)
    first = RunningFile.open(tmp_path, "g", 4)
    first.left_behind.clear()
    dies(tmp_path)
    assert len(RunningFile.open(tmp_path, "g", 4).left_behind) == 1
    assert living.left_behind == []


def test_a_file_that_is_held_blames_nobody_and_a_clean_end_removes_it(tmp_path: Path) -> None:
    worker = RunningFile.open(tmp_path, "g", 4)
    slot = worker.begin(EVENT)
    assert RunningFile.open(tmp_path, "g", 4).left_behind == []
    worker.close()
    worker.end(slot)
    worker.close()
    assert RunningFile.open(tmp_path, "g", 4).left_behind == []


def test_slots_are_used_again_and_more_than_there_are_is_no_error(tmp_path: Path) -> None:
    worker = RunningFile.open(tmp_path, "g", 2)
    slots = [worker.begin(EVENT._replace(offset=number)) for number in range(3)]
    assert slots[2] == -1
    for slot in slots:
        worker.end(slot)
    assert worker.begin(EVENT) >= 0 and worker.begin(EVENT) >= 0


def test_names_as_long_and_as_odd_as_anybody_can_send_them_fit(tmp_path: Path) -> None:
    worker = RunningFile.open(tmp_path, "g", 1)
    worker.begin(Handling("t" * 90, 3, 17, "\0" * 128, "\0" * 128, "\U0001f4a9" * 128, 2))
    copy = tmp_path / "g.77.running"
    copy.write_bytes(next(tmp_path.glob("g.0.running")).read_bytes())
    (found,) = RunningFile.open(tmp_path, "g", 1).left_behind
    assert (found.topic, found.offset, found.tenant_id, found.deaths) == ("t" * 90, 17, "\0" * 128, 2)


def test_a_file_of_rubbish_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "g.5.running").write_bytes(b"\x00\x05{}{}{" + b"\xff" * 5000)
    assert RunningFile.open(tmp_path, "g", 1).left_behind == []
