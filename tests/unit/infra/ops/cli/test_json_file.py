"""`--json FILE`: there before anything is done, private, and gone again where nothing came of it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from infra.ops.cli.failure import Failure, WrongUse
from infra.ops.cli.json_file import JsonFile
from infra.ops.cli.main import run
from infra.ops.cli.output import Output


@pytest.fixture(autouse=True)
def no_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "DATABASE_URL_OPERATOR", "DATABASE_URL_CONSOLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TICKETSTREAM_STATE_DIR", str(tmp_path / "state"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("known", [False, True], ids=["new", "there, readable by all"])
def test_only_its_owner_may_read_it(tmp_path: Path, known: bool) -> None:
    target = tmp_path / "key.json"
    if known:
        target.write_text("something longer than what comes " * 100)
        target.chmod(0o644)
    assert run(["key", "create", "--ring", "k1", "--json", str(target)]) == 0
    assert mode(target) == 0o600 and json.loads(target.read_text())["key"].startswith("k1:")


@pytest.mark.parametrize("path", ["no-such-folder/out.json", ".", "", "key.json/out.json"])
@pytest.mark.parametrize("command", [("token", "create", "msp-one"), ("tenant", "list"), ("topics", "ensure")])
def test_a_path_that_cannot_be_written_is_wrong_use_before_anything_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
    path: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.json").write_text("")
    assert run([*command, f"--json={path}"]) == 2  # else 1, since there is no stack
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--json {path}" in line and "nothing was done" in line


def test_a_command_that_fails_leaves_no_file_and_keeps_what_was_there(tmp_path: Path) -> None:
    new, old = tmp_path / "new.json", tmp_path / "old.json"
    old.write_text("of yesterday")
    for target in (new, old):
        assert run(["tenant", "list", "--json", str(target)]) == 1
    assert not new.exists() and old.read_text() == "of yesterday"


def test_a_file_of_somebody_else_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.json"
    target.write_text("theirs")
    monkeypatch.setattr(os, "geteuid", lambda: target.stat().st_uid + 1)
    with pytest.raises(WrongUse, match="somebody else"):
        JsonFile(str(target))
    assert target.read_text() == "theirs"


def test_a_full_disk_loses_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with JsonFile("/dev/full") as full, pytest.raises(Failure, match=r"/dev/full can't be written"):
        Output(full).result({"webhook_secret": "whsec_x"})
    assert json.loads(capsys.readouterr().out) == {"webhook_secret": "whsec_x"}


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    assert run(["key", "create", "--ring", "k1", "--json", f"/dev/fd/{writing}"]) == 0
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.loads(pipe.read())["key"].startswith("k1:")


@pytest.mark.parametrize(
    "words",
    [
        ("my-msp", "--json", "max_concurrent_jobs=8", "webhook_burst=50"),
        ("--json", "my-msp", "max_concurrent_jobs=8", "webhook_burst=50"),
    ],
    ids=" ".join,
)
def test_a_setting_is_not_taken_for_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["tenant", "set", *words]) == 2
    assert "write --json last, or --json=FILE" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("my-msp", "webhook_burst=50", "--json"),
        ("my-msp", "--json", "webhook_burst=50"),
        ("my-msp", "a=1", "--json=b=2"),
    ],
    ids=" ".join,
)
def test_what_is_clear_is_understood(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tenant", "set", *words]) == 1  # there is only no stack
    assert "is not set" in capsys.readouterr().err
